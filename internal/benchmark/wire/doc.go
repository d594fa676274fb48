// Package wire measures how fast records go from a process on one host to a process on another, as far as one machine can show it:
// the producer attaches over TCP to the node that has the ring, and the consumer reads the ring in a process of its own. Beside it
// goes what others would do with the same number of records in each write. Command grafnode's verb "bench wire" is its only caller.
//
// The node is the measuring process itself: it serves the connection with fabric/tcp, as an agent does.
package wire

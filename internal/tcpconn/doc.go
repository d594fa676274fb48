// Package tcpconn makes and tunes the TCP connections between nodes, and from stages to nodes.
//
// A connection begins with a preface that tells the peer's one port what it is for; then the bytes are the user's. Every
// connection is tuned so that the kernel gives up on a peer that is gone: unacknowledged data after UserTimeout, an idle
// connection after about as long. That notices dead hosts and cut cables. It does not notice a peer whose kernel lives and whose
// process does not: heartbeats do, where it matters.
//
// Dial is the one place where outgoing connections are made, so it is where TLS goes in. Its callers are package transport
// (Raft, node to node) and fabric/tcp (the data plane), which otherwise share nothing: stages may not import transport.
package tcpconn

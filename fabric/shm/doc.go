// Package shm is the ring in memory that the processes of one host share. Linux only; elsewhere everything returns
// fabric.ErrUnsupported.
//
// # Parts
//
// An arena is three memfds, one for each who writes, so that nobody maps what is another's for writing:
//
//   - the node's part: what ring this is, its deadline and its seal;
//   - the producer's part: its cursor and the data, which is mapped twice in a row;
//   - the consumer's part: its cursor and notes.
//
// Their sizes are sealed and their pages allocated before anybody sees them, so touching them never faults. Whoever maps a
// part first checks seals, size, pages and, by the inode numbers in the node's part, that it belongs to this arena.
//
// # Hand-over
//
// The node makes the arena (New) and grants each role once:
//
//	node                                     holder of the role
//	Grant(role) -> Files            ----->   OpenProducer or OpenConsumer: maps its own part for writing,
//	                                         then seals it against further writers, itself included
//	Mapped(role): verifies the seal <-----   says so
//	WaitMapped(ctx, other)
//	PeerFile(role)                  ----->   BindPeer
//
// Before BindPeer a producer fills its ring and sees no notes; a consumer finds it empty. Arena.Producer and Arena.Consumer
// do all this within the node's process.
//
// A ring outlives its node's process if both sides are mapped by others: a holder gives everything back (HandBack), the new
// node process checks it (Adopt; Arena.Recognize for the second holder) and goes on. The node's part is not sealed against
// writers, or a new node could not seal the ring.
//
// # Trust
//
// The sides do not trust each other: see fabric/internal/ring for what is checked. They trust the node. A holder that runs
// under the node's own user can open the node's part for writing through /proc; one under another user cannot.
//
// The package is called by package client (holders) and node/host (the node).
package shm

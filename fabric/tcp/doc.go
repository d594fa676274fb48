// Package tcp is the ring across hosts: one side of a ring attached over a TCP connection to the node that has the memory.
//
// A connection carries one side of one ring. It begins with api.PrefaceData, by which the node's port knows it; then the remote
// side says which ring and by what right (Hello), and the owner answers with the capacity or a reason. From then on both ends
// send frames (frame.go has their layout): records, credit, notes, the seal's reason, and heartbeats when there is nothing else to
// say.
//
// Records travel as they lie in the ring: a frame is a header and a stretch of the ring's data, many records or a part of a large
// one. The owner reads them from the socket into the ring's memory and commits them there once they are checked, all that have come before it
// shows them to the ring's reader; or it sends them from there. It keeps no copy; a remote producer puts them together in that form, and a remote consumer finds them in what was
// read. So the owner's rings must be those of this module: package fabric's contract, and the two calls for stretches beside it.
//
// Promises, besides those of package fabric: a damaged, repeated or missing frame is ErrCorrupt, never a wrong record; either end
// notices at once that the other's process is gone, within about three heartbeats that its host is, with ErrDisconnected, and in at least five seconds
// that it lives but takes nothing; the owner's memory per connection is
// a few KiB whatever the peer sends, and a peer that writes beyond its credit is cut off; a remote consumer holds no more than two
// ring's worth of memory and two slabs. No length is used before it is checked.
//
// It does not promise that a record which was flushed arrives, nor to find the ring again: a side is attached once in its life,
// and after a loss the edge takes new memory. It does not hide anything from who can read the network.
//
// All connections of a session with a node share one pulse (pulse.go): whatever comes over one shows life for all, so edges that rest cost
// next to nothing. Silence is a guess, and a wrong one is harmless: the edge moves. It is the kernel's, not of who has not come to read; and who
// is late for want of a processor bears four times as much more, because its peers may be (detector.go). A host that is gone is found 150 to 175 ms after its
// last word where no turn is late; whatever the load, before five silences are over, 750 ms, or in five turns if those take longer.
//
// DialProducer and DialConsumer are called by package client; Serve by package node, for each connection that package transport
// accepted as data.
package tcp

// Package ring is the ring itself: a byte ring of records with cursors and notes, on whatever memory it is given.
//
// fabric/inproc gives it Go memory and channels, fabric/shm memory mapped from three memfds and eventfds. The algorithm is
// the same, so the race detector, which does not see into mapped memory, checks it on the heap.
//
// Three parties write, each into words of its own that the others only read: the owner (Control), the producer
// (ProducerWords and the data), the consumer (ConsumerWords). Records of one length that are published together share a header
// (fabric.Row). Such a row lies contiguously: the data is mapped twice, one behind the other, or is followed by room for one more record. A record exists once the
// producer's Tail has passed its row; what lies beyond Tail is nobody's, so a torn record is invisible and nothing needs clearing.
// Both sides keep their own cursors to themselves, with a copy of the other's that is refreshed only when it says full or
// empty.
//
// The other side is not trusted: each cursor, length and note read from it is checked, once, before it is used, and the
// error names what was wrong. What it can do is stall its own ring. Payload is not checked here; its reader does that.
//
// Cursors and counts are stored with release and loaded with acquire; between publishing and the look at the other's waiting
// word stands a fence, or else the sleeper has all processors run a barrier between setting that word and its last look. All else between the sides is sequentially consistent.
package ring

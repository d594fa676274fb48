// Package ring measures how fast records go between two processes of this machine: through a ring in shared memory as stages use
// it, and beside it through what others would use. Command grafnode's verb "bench ring" is its only caller.
//
// A run is two new processes, each on a processor of its own; the reader checks each record's number and holds the clock. Ours and
// a peer's run follow each other, and what counts is the ratio within such a pair, because absolute figures move from hour to
// hour. The default peer is the least that a ring can be, in C, in the layout and size that is the fastest for the record's
// length on this machine, which is tried first. Nothing is left behind, however it ends.
package ring

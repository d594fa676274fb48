// Package membarrier has one thread pay for the memory barriers of all others: membarrier(2), which takes a few microseconds.
//
// A thread that stores a word and then loads another must have a barrier in between, if it is to agree with one that does it the other way
// round. With this one the frequent side leaves it out, and the seldom side has it run here or everywhere between its own two. Where the
// kernel has none, and for the race detector, which would not see it, On is false and both sides need another way.
//
// fabric/internal/ring calls it for who waits and who closes, internal/turn for who seldom locks.
package membarrier

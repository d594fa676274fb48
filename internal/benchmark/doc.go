// Package benchmark measures a registry of three nodes, and its peers beside it: real processes, real fsync, through the API as
// a stage calls it. Command grafnode's verb "bench registry" is its only caller.
//
// Both sides run on the same disk at the same time and are measured in turns, one run of ours, one of theirs; what counts is
// the ratio within a pair of runs, because absolute figures move from hour to hour. Nothing is left behind: no process, no file,
// however it ends. Clients are in processes of their own, see package load; this package starts them, finds out who leads,
// kills it where that is the question, and does the arithmetic.
package benchmark

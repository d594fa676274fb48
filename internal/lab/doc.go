// Package lab is a cluster on one machine, for programs that try grafnode out and break it on purpose: where its nodes listen, how
// their agents are started, what they say of themselves, and what their logs say when one does not run. It starts nothing itself:
// package proc does, for its callers, which are the demo and the benchmarks.
package lab

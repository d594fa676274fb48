// Package proc runs child processes for programs that try grafnode out on one machine, as the demo and the benchmarks do: each
// in a process group of its own, with a log file, and where asked for a pipe on which it tells things. No child outlives its
// parent: on Linux the kernel kills them when the parent dies, elsewhere those with a pipe notice that nobody reads it.
package proc

// Package proc runs the demo's child processes: each in a process group of its own, with a log file, and where asked for a
// pipe on which it tells events. No child outlives its parent: on Linux the kernel kills them when the parent dies,
// elsewhere those with a pipe notice that nobody reads it.
package proc

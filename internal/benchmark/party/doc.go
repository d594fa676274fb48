// Package party runs the processes that take part in one measurement of the data plane: it starts them, each on its processor,
// hands them what they share, and waits for what they measured. A process that takes part is this program again under a
// hidden verb, or a peer's program. Whatever happens, none is left.
//
// The starting process is the node: it makes the arenas and grants their sides, as package node/host does for stages. Packages
// benchmark/ring and benchmark/wire are the callers.
package party

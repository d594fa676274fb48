// Package registry keeps the handoff records of a cluster, and with them its nodes, sessions, leases and checkpoints, by Raft.
//
// What the records are, and what commands do to them, is package registry/state. A Registry is one node's replica of that: it
// replicates commands and says what became of them (Apply), answers reads in three degrees of freshness (Read, State), knows who
// leads and who is in the group, streams what changes from any replica (Watch), saves and restores the state of a living cluster
// and, offline, makes a cluster out of a survivor (Recover).
//
// Promises: an applied command survives the loss of a minority; an error that wraps api.ErrNoQuorum means "not applied", one
// that wraps api.ErrUnknown means "perhaps", any other is the state machine's refusal. Default and strict reads are linearizable.
// A watch shows changes in order, each once, and the newest always; in mode all it shows every one or says that it cannot.
// Not promised: that a leader exists, or that a stale read or a watch is recent.
//
// It is called by the API handlers (reads, changes, watches, the operator's verbs), and by node, for leasebroker's keeper
// (leadership, allowances, expiries) and for the leases that this node must serve. It knows no fabric, no gossip and no HTTP.
package registry

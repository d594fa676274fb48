// Package registry keeps the handoff records of a cluster, and with them its nodes, sessions, leases and checkpoints, by Raft.
//
// It has three parts. The state machine (State, Command, State.Step) is pure: an immutable state and a command give the next
// state, with no clock, no I/O and no randomness, so that every replica computes the same bytes. The Raft host (Registry)
// replicates commands, answers reads in three degrees of freshness and knows who leads. The watch (Registry.Watch) streams
// what changes, from any replica, off a log of the last changes and the state (internal/watchstream).
//
// Promises: of two changes made from the same revision of a record one is applied; generations of an edge only rise, over
// deletion, snapshots and restores too; an applied command survives the loss of a minority; an error that wraps
// api.ErrNoQuorum means "not applied", one that wraps api.ErrUnknown means "perhaps", any other is the state machine's refusal.
// A watch shows changes in order, each once, and the newest always; in mode all it shows every one or says that it cannot.
// Not promised: that a leader exists, or that a stale read or a watch is recent.
//
// It is called by the API handlers (reads, changes, watches), by leasebroker's keeper (leadership, allowances, expiries), by
// node and node/host (the leases that this node must serve). It knows no fabric, no gossip and no HTTP.
package registry

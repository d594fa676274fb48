// Package state is the registry's state machine: what a cluster remembers (handoff records, nodes, sessions, leases, checkpoints,
// tokens, what was deleted and what has ended), and what each command does to it.
//
// State.Step is a pure function: an immutable state and an entry of the log give the next state and a result. There is no clock, no
// randomness, no goroutine and no file in here, so that every replica computes the same bytes, and the simulation the same as
// a replica. A State may be kept, read and stepped from by any goroutine; it shares with the one before all that did not change.
//
// Promises: of two changes made from the same revision of a record one is applied; generations of an edge only rise, over
// deletion, snapshots, recoveries (Recovered) and restores (RestoredOver) too; a command is applied as a whole or refused as a whole,
// and a refusal is a value, never a panic; equal states give equal bytes. Encode and Write give what stands in the log and in
// snapshots; Decode and Read take these bytes of all earlier versions, refuse damaged ones with api.ErrCorrupt and those of
// later versions with ErrNewer, whereupon the node must stop. Not promised: anything about time. Times in a state are shown to
// people; when a lease is over, its proposer says.
//
// It is called by package registry, which replicates its commands by Raft; by registry/simulate, which does so in made-up time; by
// node/leaselog, which reads results for the keeper of lease time; by api/server and node, which read states and make commands.
package state

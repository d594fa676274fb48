// Package simulate runs a whole cluster's registry in one goroutine, from one seed, in made-up time, and judges it.
//
// What is simulated is the production code where it is pure: state.State.Step, snapshots, leasebroker.Keeper, watchstream, the
// session of package client, the rules by which a leader changes its group, the commands between them. Around it stand models: Raft
// with exactly Raft's guarantees (one leader a term, elected by a majority with no newer log; uncommitted tails may be lost,
// committed entries never; leaders that do not know that they are deposed; followers that lag, snapshots in place of entries; a
// group that changes by one member at a time, by entries in the log that count before they are committed), gossip that is mostly
// right, nodes that serve requests and renew what lies on them, and stage programs with reads of every kind and writes of unknown
// outcome, which act as package client does.
//
// The world loses, repeats, reorders and delays messages, cuts links in one direction or both, stops processes and whole
// machines, kills and restarts them, loses what was not yet on disk, wipes disks, so that nodes come back as others, has operators
// take members out, restore old snapshots over a living cluster and recover from lost majorities. Each machine's clock has its own
// origin and speed, and jumps when the machine was suspended; wall clocks say anything.
//
// A judge outside the world knows everything at its true time, and stops the run at the first thing that was promised and did not
// hold (see Judge's methods). World.Run says how many steps were made: a step is one event that was delivered to a node, a client
// or a disk; what is lost, or comes for a process that has ended, is none. The same seed gives the same steps, and the same trace.
//
// Not simulated: real sockets, disks and goroutines (the integration suite has those), founding, changes of address.
package simulate

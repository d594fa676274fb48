// Package explore checks the handoff protocol by running it through every schedule within stated bounds.
//
// The world is small: sources that can be read again, perhaps a stage in the middle, a sink with a fenced store, the edges between them, and
// the registry's records, with spares. The stage filters and multiplies; or merges two sources, whose lanes it numbers anew; or is not
// deterministic, and has a fenced log of its outputs. The two ends of an edge are the real handoff.Sender, handoff.Receiver and
// handoff.Route. Everything that may happen in another order does: participants act on records that they read
// long ago, replaced processes live on as zombies, rings and spares are lost for both sides or for one, records are damaged, anybody
// relocates, a spare's lease ends. A producer that has a spare may believe its ring lost at any time, and whoever waits for the other
// side may lose patience at any time: neither counts as a fault.
//
// After every step the invariants of docs/protocol.md are checked, and at the end that from every reachable state the
// good end (all effects in, everything trimmed) can still be reached when nothing fails any more. Each Mutant takes one rule away; the
// tests show that something then breaks.
//
// The bounds are in the tests: what takes seconds always, more with GRAFNODE_CI, most with GRAFNODE_TORTURE. Unless Bounds.Apart is set,
// opening a ring, the meeting in it, and the answer to a question follow at once what caused them. What that leaves out (a side that knows
// of a ring and has not opened it, or does not know yet what became of its question) differs little from a side that has not read the
// record yet, and is explored apart.
//
// What cannot make a difference is not tried: a source before a stage pushes all it has, since only when it sends counts; an arena that nobody can
// reach any more, what a dead process knew, and in which order things were made are no part of a state.
//
// What is not in the world: time and leases (package leasebroker simulates those), the ends of lanes, ring sizes, and how package stream keeps
// its log (its simulation does that).
// It is called by its own tests only.
package explore

// Package explore checks the handoff protocol by running it through every schedule within stated bounds.
//
// The world is small: a source that can be read again, perhaps a stage that filters and multiplies, a sink with a
// fenced store, the edges between them, and the registry's records, with spares. The two ends of an edge are the real handoff.Sender,
// handoff.Receiver and handoff.Route. Everything that may happen in another order does: participants act on records that they read
// long ago, replaced processes live on as zombies, rings and spares are lost for both sides or for one, records are damaged, anybody
// relocates, a spare's lease ends. A producer that has a spare may believe its ring lost at any time, and whoever waits for the other
// side may lose patience at any time: neither counts as a fault.
//
// After every step the invariants of docs/protocol.md are checked, and at the end that from every reachable state the
// good end (all effects in, everything trimmed) can still be reached when nothing fails any more. Each Mutant takes one rule away; the
// tests show that something then breaks.
//
// The bounds are in the tests: one edge or two, one or two inputs, up to two faults, up to two spares. Unless Bounds.Apart is set, opening a
// ring, the meeting in it, and the answer to a question follow at once what caused them. What that leaves out (a side that knows of a
// ring and has not opened it, or does not know yet what became of its question) differs little from a side that has not read the
// record yet, and is explored apart.
//
// What is not in the world: time and leases (package leasebroker simulates those), more than one lane, and ring sizes.
// It is called by its own tests only.
package explore

// Package explore checks the handoff protocol by running it through every schedule within stated bounds.
//
// The world is small: a source that can be read again, perhaps a stage that filters and multiplies, a sink with a
// fenced store, the edges between them, and the registry's records. The two ends of an edge are the real handoff.Sender and
// handoff.Receiver. Everything that may happen in another order does: participants act on records that they read long ago,
// replaced processes live on as zombies, rings are lost for both sides or for one, records are damaged, anybody relocates.
//
// After every step the invariants of docs/protocol.md are checked, and at the end that from every reachable state the
// good end (all effects in, everything trimmed) can still be reached when nothing fails any more. Each Mutant takes one rule away; the
// tests show that something then breaks.
//
// What is not in the world: time and leases (package leasebroker simulates those), more than one lane, and ring sizes.
// It is called by its own tests only.
package explore

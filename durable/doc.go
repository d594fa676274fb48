// Package durable keeps one value of a stage safe across its death: a fenced checkpoint.
//
// A Store holds one value and one epoch. Whoever takes the stage over first fences the store under its own epoch and only
// then reads where to go on (protocol rule 5); from that moment no older epoch can write. A value is replaced as a whole:
// after a crash at any point a reader finds the value of the last Put that returned, or of a later one, never a mixture, never
// a default in place of damage.
//
// Two stores, alike to their users and held to it by package durabletest: Register keeps a small value in the registry,
// which survives the loss of any minority of nodes; Slots keeps a larger one in a leased block region on one node's disk,
// in two slots of which one is always whole. File is a region in a local file, for one host and for tests.
//
// Not promised: history, more than one value, or that a Put that did not return has had no effect.
//
// Who calls it: package stream, for the cursors of sources and the positions of sinks without transactions, and stages
// with state of their own.
package durable

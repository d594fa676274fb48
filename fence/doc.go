// Package fence is the counter that keeps a replaced process from doing harm.
//
// An Epoch is checked where a write lands, not where it starts: a store remembers the highest epoch that it has seen
// and refuses every lower one. A stopped process that wakes up after its replacement has taken over still believes that
// it is in charge; its writes are refused all the same, because its epoch is old.
//
// The package promises only comparison. It has no clock, does no I/O and knows no cluster; who may raise an epoch is
// the registry's to decide. It is used by every store that accepts writes (sinks, checkpoints, source cursors, block
// regions), by rings (an edge's generation is an epoch) and by the registry.
//
// Source of the idea: Kleppmann, "How to do distributed locking" (2016), fencing tokens.
package fence

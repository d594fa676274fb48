// Package membership says which nodes there are, how healthy they look from here, and what they say of themselves. It is
// hashicorp/memberlist behind a small API.
//
// Gossip is a hint. It may be late, wrong, different on every node and, without a key, made up. It steers where the broker
// places leases, tells a starting node whom it can form a cluster with, and finds addresses. It never ends a lease, never
// takes a role, and nothing is lost or doubled if all of it is false: that is for the registry and the leases to decide.
//
// Nodes of another cluster, or of this one before it was recovered without them, are refused (strangers.go).
//
// A node that was alive once is looked for until it has left or has been gone for a day: memberlist itself gives up on a
// dead member after some seconds and would leave a healed partition split for ever. So a loop joins, again and again, the
// seeds, the members known but not alive, and those that the peers file remembers from before a restart.
//
// Only package node calls it: it opens one Gossip, feeds it what the node says of itself, and reads Members when Changes
// fires. Tests run several in one process.
package membership

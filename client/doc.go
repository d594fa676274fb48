// Package client is a stage's line to its node, and through it to the cluster.
//
// A Client keeps one session: while its process lives and its node hears from it, the cluster lets it hold roles, rings
// and leases. It finds its own node by a Unix socket and the other nodes by the addresses that its own tells it, and asks
// those while its own is away. It promises that Session.Lost closes no later than the session's deadline, even if no packet ever comes
// again, or within a tenth of the term of waking if the machine was suspended past it; that a write whose outcome is unknown is
// resolved or reported, never repeated blindly; and that a ring mapped in this process survives its node's restart if the cluster
// agrees. It does not promise that news is fresh: what Follow and Locator return may be old, and the epochs in it say so where it matters.
//
// API, the other half of the package, speaks HTTP with one node and has no session. The command line and nodes among
// themselves use it.
//
// Callers: package edge through its interface Cluster, package durable through checkpoints and blocks, stage programs for
// Dial. The package depends on nothing beside the standard library and golang.org/x/sys, because every stage program carries it.
package client

// Package lease is the vocabulary of leases: a grant of a node's memory or block storage to a holder for a bounded time.
//
// Words: the cluster grants, renews and revokes; a holder acquires and releases. Expired (time ran out) is not revoked
// (the cluster took it back). Deadlines are Instants of CLOCK_BOOTTIME, which counts suspend, each on the clock of the
// side that measures, and counted by the holder from when it asked, by the cluster from when it heard: so the holder's
// deadline always comes first.
//
// The package has the arithmetic, the errors and the request builders. It reads no clock and does no I/O. Package
// leasebroker keeps the cluster's side of time, package client the holder's.
package lease

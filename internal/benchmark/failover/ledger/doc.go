// Package ledger is the sink of a failover benchmark: a store that has each item's number counted once, refuses who was replaced, and
// knows when it was written to. Ledger is the store, pure but for its lock; Serve lets the sink's processes write to it by a Unix
// socket, Client is how they do. It lies in the process that makes the faults, so one clock tells both; that process
// is never a victim.
package ledger

// Package scale measures how far one registry goes: edges, leases, nodes and watches by the hundred thousand. It is a test that
// judges only what must hold at any size (no lease of a holder who renews expires, every watcher is told) and prints the rest:
// bytes a record, times to write and read a snapshot, to start, to renew, to tell the last watcher. `make scale` runs it;
// docs/scale.md has what it printed and what follows from that.
package scale

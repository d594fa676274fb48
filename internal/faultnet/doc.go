// Package faultnet is a TCP proxy that breaks connections on purpose, for tests.
//
// A test dials the proxy's address instead of the target's and then says what is to go wrong, in one direction or both: bytes
// delayed, held back as by a cut cable (they come when it heals, as TCP would resend them), swallowed as by a black hole,
// damaged, or the connections reset. What is set applies to open and to new connections.
//
// The proxy is harmless by construction: it connects only to loopback addresses, has at most ConnsMax connections, and stops by
// itself after LifeMax. It does not imitate bandwidth, loss or reordering: TCP hides those.
package faultnet

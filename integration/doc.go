// Package integration runs whole clusters as users have them, real processes of the real binaries, breaks them on purpose, and
// judges the outcome by reading the store back: every input line is in it once, whatever was killed, stopped, damaged or
// revoked.
//
// It has tests only. Those that need root (network namespaces, a read-only disk) skip without it and say so. Failures of one
// kind that need hours to find are looked for by `make torture`.
package integration

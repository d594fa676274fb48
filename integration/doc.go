// Package integration runs whole clusters as users have them, real processes of the real binaries, breaks them on purpose, and
// judges the outcome by reading the store back: every input line is in it once, whatever was killed, stopped, damaged or
// revoked.
//
// It has tests only. By default they show that each kind of fault is survived; with GRAFNODE_CI=1, as `make ci` sets it, all of
// them run. Those that need root, for network namespaces, skip without it and say so. Failures that need hours to find are
// looked for by `make torture`. install.sh checks that a stranger can install the program.
package integration

// Package integration runs whole clusters as users have them, real processes of the real binaries, breaks them on purpose, and
// judges the outcome by reading the store back: every input line is in it once, whatever was killed, stopped, damaged or
// revoked.
//
// The registry is tried on its own, too (registry_*_test.go): clients of every kind, holders of sessions and watchers, against
// nodes that a nemesis kills, stops, cuts off, slows, restarts and replaces by a plan that follows from a seed. What they saw goes
// to package judge. A run that failed keeps its logs and its history and says how to have it again: go test ./integration -run
// NAME -seed N has the same calls and the same faults at the same instants (what comes of them depends on the machine);
// go test ./integration/judge -run TestKeptHistory -history FILE judges again what was kept.
//
// It has tests only. By default they show that each kind of fault is survived; with GRAFNODE_CI=1, as `make ci` sets it, all of
// them run. Those that need root, for network namespaces, skip without it and say so. Failures that need hours to find are
// looked for by `make torture`. install.sh checks that a stranger can install the program.
package integration

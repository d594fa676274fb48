// Package history holds what was done to a cluster under test and what was seen of it: each client's calls with the instants
// at which they began and ended, watch streams line by line, what the holders of sessions were told, the faults, and the state
// at the end. It is data, with a Recorder that many goroutines may write to, and a file format to keep it in.
//
// Drivers write it (package integration); package judge reads it and knows nothing of who wrote it. All instants are of one
// machine's CLOCK_BOOTTIME, so they can be compared with lease deadlines.
package history

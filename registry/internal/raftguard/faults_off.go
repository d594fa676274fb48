//go:build !faults

package raftguard

// faultyDisk is the hook for tests that slow or break the disk; see faults_on.go. In this build there are no such faults.
func faultyDisk() error { return nil }

//go:build !linux

package node

// hostMemory is not known here, where rings do not lie in memory that processes share either.
func hostMemory() (size uint64, known bool) { return 0, false }

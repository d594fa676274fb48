//go:build !amd64

package ring

// pause does nothing here.
func pause() {}

// prefetch does nothing here.
func prefetch(*byte) {}

//go:build !amd64

package ring

// pause does nothing here.
func pause() {}

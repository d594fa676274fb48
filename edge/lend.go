//go:build !fabricdebug

package edge

// lend calls f with b, which f must not keep.
func lend(b []byte, f func([]byte) error) error { return f(b) }

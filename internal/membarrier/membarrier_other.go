//go:build race || !linux

package membarrier

// On says that this process cannot make others run memory barriers.
const On = false

// Register returns On.
func Register() bool { return On }

// Here does nothing.
func Here() {}

// Everywhere does nothing.
func Everywhere() {}

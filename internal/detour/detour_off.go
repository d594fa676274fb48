//go:build !faults

package detour

// To returns the address to dial.
func To(address string) string { return address }

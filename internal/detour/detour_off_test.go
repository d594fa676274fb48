//go:build !faults

package detour

import "testing"

func TestTheDefaultBuildGoesStraight(t *testing.T) {
	t.Setenv("GRAFNODE_FAULT_DIAL", "127.0.0.1:1=127.0.0.9:2")
	if got := To("127.0.0.1:1"); got != "127.0.0.1:1" {
		t.Fatal(got)
	}
}

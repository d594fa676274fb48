//go:build faults

package detour

import (
	"os"
	"strings"
)

// Variable is the environment variable with the ways.
const Variable = "GRAFNODE_FAULT_DIAL"

var ways = parse(os.Getenv(Variable))

// parse reads the ways. What is no pair is left out: the test that wrote it will miss its proxy.
func parse(s string) map[string]string {
	ways := map[string]string{}
	for pair := range strings.SplitSeq(s, ",") {
		if from, to, ok := strings.Cut(pair, "="); ok {
			ways[from] = to
		}
	}
	return ways
}

// To returns the address to dial instead of one.
func To(address string) string {
	if to, ok := ways[address]; ok {
		return to
	}
	return address
}

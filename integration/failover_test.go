package integration

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/benchmark/failover/plan"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
)

// Every kind of fault once at each speed, as the benchmark does it: its sink counts every item, and says if one is missing or there
// twice. How long a fault lasts is not judged here.
func TestBenchFailover(t *testing.T) {
	needsTime(t)
	cmd := exec.Command(grafnode, "bench", "failover", "--json", "--runs", "1", "--full", "1", "--rate", "2000", "--keep", t.TempDir())
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	require.NoError(t, err, said.String())
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		var l figures.Line
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		require.Zero(t, l.Lost+l.Doubled+uint64(l.Missed), line)
		seen[l.Case] = true
	}
	for _, kind := range plan.Names() {
		if strings.Contains(said.String(), kind+" is left out") {
			continue
		}
		require.True(t, seen[kind] && seen[kind+"/full"], "%s: %s", kind, said.String())
	}
}

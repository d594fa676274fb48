//go:build planted

package registry_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/planted"
)

// The test that judges what clients of a real cluster saw, through cuts and changes of leaders, is run again with bugs planted:
// it must find each, or it would find nothing.
func TestPlantedBugsAreFound(t *testing.T) {
	run := func(plant string) (string, error) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestConcurrentClientsSeeOneOrder$", "-test.count=1", "-test.timeout=3m")
		cmd.Env = append(os.Environ(), planted.Env+"="+plant)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	t.Run("stale-read", func(t *testing.T) {
		out, err := run("stale-read")
		require.Error(t, err, out)
		require.Contains(t, out, "Illegal", "for another reason")
	})
	t.Run("none", func(t *testing.T) {
		out, err := run("")
		require.NoError(t, err, out)
	})
}

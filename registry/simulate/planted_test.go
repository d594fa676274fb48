//go:build planted

package simulate

import (
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/planted"
)

// plantedSteps is how long a planted bug may stay unseen; without one, nothing is seen in soundSteps.
const (
	plantedSteps = 5_000_000
	soundSteps   = 1_000_000
)

// caught is what the judge says of each bug: that it objects is not enough, it must see what is wrong.
var caught = map[string]string{
	"stale-read":        `answered as of`,
	"deposed-expiry":    `early:|which had expired`,
	"early-ack":         `renewed .* which had ended|which had expired|early:`,
	"reused-generation": `generation \d+ granted`,
	"missed-event":      `^seed \d+, step \d+, at [^ ]+: (reliable|bookmarkable|atomic):`,
	"reused-spare":      `generation \d+ granted to |generation \d+ was given up`,
	"forgotten-drain":   `is placed on node`,
	"lost-tombstone":    `generation \d+ granted`,
}

// TestPlant is the child of TestEveryPlantedBugIsCaught: it makes steps until the judge objects.
func TestPlant(t *testing.T) {
	if os.Getenv("GRAFNODE_PLANT_CHILD") == "" {
		t.Skip("run by TestEveryPlantedBugIsCaught")
	}
	var total uint64
	most := uint64(plantedSteps)
	if os.Getenv(planted.Env) == "" {
		most = soundSteps
	}
	for seed := uint64(0); total < most; seed++ {
		w := New(Config{Seed: seed})
		require.NoError(t, w.Run(100_000))
		total += w.Steps()
	}
}

func TestEveryPlantedBugIsCaught(t *testing.T) {
	run := func(plant string) (string, error) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPlant$")
		cmd.Env = append(os.Environ(), planted.Env+"="+plant, "GRAFNODE_PLANT_CHILD=1")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, plant := range planted.Names {
		want, here := caught[plant]
		if !here {
			continue
		}
		t.Run(plant, func(t *testing.T) {
			out, err := run(plant)
			require.Error(t, err, "not caught in %d steps", plantedSteps)
			said := regexp.MustCompile(`seed \d+, step \d+, .*`).FindString(out)
			require.Regexp(t, want, said, out)
			t.Log(said)
		})
	}
	t.Run("none", func(t *testing.T) {
		out, err := run("")
		require.NoError(t, err, out)
	})
}

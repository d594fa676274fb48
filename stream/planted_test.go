//go:build planted

package stream_test

import (
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/planted"
)

// child runs tests of this package with a bug planted.
func child(plant string, env []string, args ...string) (string, error) {
	cmd := exec.Command(os.Args[0], append(args, "-test.timeout=5m")...)
	cmd.Env = append(append(os.Environ(), planted.Env+"="+plant), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// The tests that compare pipelines with plain loops are run again with bugs planted: they must find each, or they would find nothing.
func TestPlantedBugsAreFound(t *testing.T) {
	for _, plant := range []string{"fastest-branch", "early-checkpoint", "timed-window"} {
		t.Run(plant, func(t *testing.T) {
			out, err := child(plant, nil, "-test.run=^(TestRandomPipelinesUnderRandomFaults|TestEachStageIsTakenOver)$",
				"-rapid.checks=3000", "-rapid.nofailfile", "-test.failfast")
			require.Error(t, err, out)
			require.Regexp(t, `a sink has \[|dead letters of an operator has \[|should be empty, but was (a sink|the dead)|flaky test`, out, "for another reason")
		})
	}
}

// The simulation finds them too, says what is wrong, and the seed that it names shows it again.
func TestPlantedBugsAreFoundBySeed(t *testing.T) {
	const lost, doubled = `of \d+ items [1-9]\d* are lost`, `and [1-9]\d* are there too often or wrong`
	again := regexp.MustCompile(`again: GRAFNODE_SEED=(\d+) go test -count=(\d+) -run '(.*)' `)
	for plant, want := range map[string]string{
		"fastest-branch":    lost,
		"early-checkpoint":  lost,
		"timed-window":      doubled,
		"hasty-sink":        `acknowledged before it was durable|acknowledged and gone|` + lost,
		"forgotten-effects": doubled,
		"short-replay":      `has not ended|` + lost,
		"early-output":      `is not deterministic`,
	} {
		t.Run(plant, func(t *testing.T) {
			out, err := child(plant, []string{"GRAFNODE_RUNS=10000"}, "-test.run=^TestSimulation$")
			require.Error(t, err, "not found")
			require.Regexp(t, want, out, "for another reason")
			command := again.FindStringSubmatch(out)
			require.Len(t, command, 4, out)
			t.Log(command[0])
			out, err = child(plant, []string{"GRAFNODE_SEED=" + command[1]}, "-test.count="+command[2], "-test.run="+command[3])
			require.Error(t, err, "not found again")
			require.Regexp(t, want, out, "for another reason")
		})
	}
	t.Run("none", func(t *testing.T) {
		out, err := child("", []string{"GRAFNODE_RUNS=1000"}, "-test.run=^TestSimulation$")
		require.NoError(t, err, out)
	})
}

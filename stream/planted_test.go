//go:build planted

package stream_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/planted"
)

// The tests that compare pipelines with plain loops are run again with bugs planted: they must find each, or they would find nothing.
func TestPlantedBugsAreFound(t *testing.T) {
	run := func(plant string) (string, error) {
		cmd := exec.Command(os.Args[0], "-test.run=^(TestRandomPipelinesUnderRandomFaults|TestEachStageIsTakenOver)$",
			"-rapid.checks=3000", "-rapid.nofailfile", "-test.failfast", "-test.timeout=5m")
		cmd.Env = append(os.Environ(), planted.Env+"="+plant)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, plant := range []string{"fastest-branch", "early-checkpoint", "timed-window"} {
		t.Run(plant, func(t *testing.T) {
			out, err := run(plant)
			require.Error(t, err, out)
			require.Regexp(t, `a sink has \[|dead letters of an operator has \[|should be empty, but was (a sink|the dead)|flaky test`, out, "for another reason")
		})
	}
}

//go:build planted

package planted

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOneSwitchIsChosen(t *testing.T) {
	switches := map[string]bool{
		"stale-read": StaleRead, "missed-event": MissedEvent, "deposed-expiry": DeposedExpiry, "early-ack": EarlyAck,
		"reused-generation": ReusedGeneration, "lost-tombstone": LostTombstone,
		"reused-spare": ReusedSpare, "forgotten-drain": ForgottenDrain,
		"fastest-branch": FastestBranch, "early-checkpoint": EarlyCheckpoint, "timed-window": TimedWindow,
		"hasty-sink": HastySink, "forgotten-effects": ForgottenEffects, "short-replay": ShortReplay, "early-output": EarlyOutput,
	}
	require.Len(t, switches, len(Names))
	for _, name := range Names {
		on, known := switches[name]
		require.True(t, known, name)
		require.Equal(t, os.Getenv(Env) == name, on, name)
	}
}

func TestUnknownNamesAreRefused(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), Env+"=stale-reed")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "no such bug")
}

func TestEveryNameIsAccepted(t *testing.T) {
	for _, name := range Names {
		cmd := exec.Command(os.Args[0], "-test.run=TestOneSwitchIsChosen")
		cmd.Env = append(os.Environ(), Env+"="+name)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", name, out)
	}
}

//go:build planted

package planted

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

var chosen = choose(os.Getenv(Env))

// The switches, see Names. Set before any init and never changed.
var (
	StaleRead        = chosen == "stale-read"
	MissedEvent      = chosen == "missed-event"
	DeposedExpiry    = chosen == "deposed-expiry"
	EarlyAck         = chosen == "early-ack"
	ReusedGeneration = chosen == "reused-generation"
	LostTombstone    = chosen == "lost-tombstone"
	ReusedSpare      = chosen == "reused-spare"
	ForgottenDrain   = chosen == "forgotten-drain"
	FastestBranch    = chosen == "fastest-branch"
	EarlyCheckpoint  = chosen == "early-checkpoint"
	TimedWindow      = chosen == "timed-window"
	HastySink        = chosen == "hasty-sink"
	ForgottenEffects = chosen == "forgotten-effects"
	ShortReplay      = chosen == "short-replay"
	EarlyOutput      = chosen == "early-output"
)

func choose(name string) string {
	if name != "" && !slices.Contains(Names, name) {
		fmt.Fprintf(os.Stderr, "%s=%s: no such bug, must be one of %s\n", Env, name, strings.Join(Names, ", "))
		os.Exit(2)
	}
	fmt.Fprintf(os.Stderr, "built to be wrong: %s=%q, for tests only\n", Env, name)
	return name
}

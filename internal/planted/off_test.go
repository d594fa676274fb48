//go:build !planted

package planted

import "testing"

// Only a constant can be assigned to a constant: this does not compile if a switch of the default build could ever be on.
const anyOn = StaleRead || MissedEvent || DeposedExpiry || EarlyAck || ReusedGeneration || LostTombstone || ReusedSpare || ForgottenDrain ||
	FastestBranch || EarlyCheckpoint || TimedWindow || HastySink || ForgottenEffects || ShortReplay || EarlyOutput

func TestTheDefaultBuildHasNoBugs(t *testing.T) {
	if anyOn {
		t.Fatal("a switch is on")
	}
}

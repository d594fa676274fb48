//go:build !planted

package planted

// The switches, see Names. Constants, so that the compiler drops what they guard.
const (
	StaleRead        = false
	MissedEvent      = false
	DeposedExpiry    = false
	EarlyAck         = false
	ReusedGeneration = false
	LostTombstone    = false
	ReusedSpare      = false
	ForgottenDrain   = false
	FastestBranch    = false
	EarlyCheckpoint  = false
	TimedWindow      = false
	HastySink        = false
	ForgottenEffects = false
	ShortReplay      = false
	EarlyOutput      = false
)

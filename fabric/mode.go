package fabric

import "fmt"

// Mode is how one side of a ring waits. Each side has its own; the other need not know.
type Mode uint8

// The modes.
const (
	// Balanced looks for news for a moment, by the clock, while recent waits found them that way, and then sleeps.
	Balanced Mode = iota
	// LowLatency goes on looking: a wait takes one core for as long as it lasts.
	LowLatency
	// Thrifty sleeps at once.
	Thrifty
)

// String names the mode as the documentation does.
func (m Mode) String() string {
	switch m {
	case Balanced:
		return "balanced"
	case LowLatency:
		return "low-latency"
	case Thrifty:
		return "thrifty"
	}
	return fmt.Sprintf("mode %d", uint8(m))
}

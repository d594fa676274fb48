package guest

import (
	"math"
	"time"
)

// calibration is how long the host's counter of cycles is watched.
const calibration = 50 * time.Millisecond

// counterKHz returns how fast a machine's counter of cycles runs, which is the host's, by the host's clock. The machine's kernel would find it
// out by itself, wrongly when the host is busy meanwhile: its clock ran fifteen times too fast then, and everything in it was late.
func counterKHz() int {
	at, ticks := instant()
	time.Sleep(calibration)
	later, more := instant()
	return int(math.Round(float64(more-ticks) / later.Sub(at).Seconds() / 1000))
}

// instant reads both, as close to each other as it can be had.
func instant() (at time.Time, ticks uint64) {
	best := time.Hour
	for range 100 {
		before := time.Now()
		now := cycles()
		if took := time.Since(before); took < best {
			best, at, ticks = took, before, now
		}
	}
	return at, ticks
}

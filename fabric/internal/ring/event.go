package ring

import "time"

// Event is how a side sleeps and is woken. Both methods may be called by any goroutine, Park by one at a time.
type Event interface {
	// Signal makes Park call ready again. It never blocks, and does nothing once the event is gone.
	Signal()
	// Park calls ready now, and again after each Signal since that call began; it returns once ready returns true, or the
	// timeout has passed (zero: no timeout), or the event is gone, and may return early for no reason.
	Park(timeout time.Duration, ready func() bool)
}

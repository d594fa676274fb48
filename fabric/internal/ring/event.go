package ring

import "time"

// Signaler wakes a side.
type Signaler interface {
	// Signal makes the side's Park call ready again. It never blocks. Any goroutine.
	Signal()
}

// Event is how a side sleeps and is woken. Signal does nothing once the event is gone. Park is for one goroutine at a time.
type Event interface {
	Signaler
	// Park calls ready now, and again after each Signal since that call began, or returns instead. It returns once ready
	// returns true, or the timeout has passed (zero: no timeout), or the event is gone; early too, for no reason.
	Park(timeout time.Duration, ready func() bool)
}

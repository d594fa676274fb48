package ring

import "time"

// ChanEvent is an Event, and the Bell that rings it, within one process: a channel that remembers one signal.
type ChanEvent chan struct{}

// NewChanEvent returns one that is not signalled.
func NewChanEvent() ChanEvent { return make(ChanEvent, 1) }

// Signal implements Event.
func (e ChanEvent) Signal() {
	select {
	case e <- struct{}{}:
	default: // one is remembered already, and covers this one
	}
}

// Ring implements Bell.
func (e ChanEvent) Ring(uint64) { e.Signal() }

// Park implements Event.
func (e ChanEvent) Park(timeout time.Duration, look func(kind uint64) bool) {
	var passed <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		passed = timer.C
	}
	for !look(InPoller) {
		select {
		case <-e:
		case <-passed:
			return
		}
	}
}

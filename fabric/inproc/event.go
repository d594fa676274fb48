package inproc

import "time"

// event implements ring.Event with a channel that remembers one signal.
type event chan struct{}

func newEvent() event { return make(event, 1) }

func (e event) Signal() {
	select {
	case e <- struct{}{}:
	default: // one is remembered already, and covers this one
	}
}

func (e event) Park(timeout time.Duration, ready func() bool) {
	var passed <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		passed = timer.C
	}
	for !ready() {
		select {
		case <-e:
		case <-passed:
			return
		}
	}
}

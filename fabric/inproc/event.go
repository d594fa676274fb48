package inproc

import (
	"time"

	"github.com/grafnode/grafnode/fabric/internal/ring"
)

// event implements ring.Event with a channel that remembers one signal.
type event chan struct{}

func newEvent() event { return make(event, 1) }

func (e event) Signal() {
	select {
	case e <- struct{}{}:
	default: // one is remembered already, and covers this one
	}
}

func (e event) Ring(uint64) { e.Signal() }

func (e event) Park(timeout time.Duration, look func(kind uint64) bool) {
	var passed <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		passed = timer.C
	}
	for !look(ring.InPoller) {
		select {
		case <-e:
		case <-passed:
			return
		}
	}
}

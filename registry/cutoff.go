package registry

import (
	"context"
	"sync/atomic"
	"time"
)

// cutOff tells watchers when this node has lost the cluster.
type cutOff struct {
	// ch is closed while the node is cut off, and another is made when it is back: stored by watchCutOff alone, loaded by
	// watchers.
	ch atomic.Pointer[chan none]
}

func newCutOff() *cutOff {
	c := &cutOff{}
	c.renew()
	return c
}

func (c *cutOff) renew() {
	ch := make(chan none)
	c.ch.Store(&ch)
}

// now returns a channel that is closed when the node is cut off.
func (c *cutOff) now() <-chan none { return *c.ch.Load() }

// watchCutOff says that the node is cut off before it has had no leader for three election timeouts, looking that many times
// an election. A leader that loses its followers notices only at the end of its own lease; that counts too.
func (r *Registry) watchCutOff(ctx context.Context) {
	every := r.cfg.Election / 4
	limit, lease := 3*r.cfg.Election-every, r.cfg.raft().LeaderLeaseTimeout
	tick := time.NewTicker(every)
	defer tick.Stop()
	led, off := false, false
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		silence := r.silence()
		if r.readyTerm() != 0 {
			led = true
		} else if _, known := r.Leader(); known {
			led = false
		} else if led {
			silence += lease
		}
		switch is := silence >= limit; {
		case is && !off:
			r.log.Warn("no leader: watches end", "for", silence)
			close(*r.hub.gone.ch.Load())
			off = true
		case !is && off:
			r.hub.gone.renew()
			off = false
		}
	}
}

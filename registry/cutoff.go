package registry

import (
	"context"
	"sync/atomic"
	"time"
)

// cutOff tells watchers when this node has lost the cluster.
type cutOff struct {
	// ch is closed while the node is cut off, and another is made when it is back: stored by watch alone, loaded by
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

// contact is what a node knows of its leader.
type contact struct {
	silence time.Duration // since a leader was heard of, or since this node was one
	leads   bool
	known   bool // there is a leader, as far as this node knows
}

func (r *Registry) contact() contact {
	_, known := r.Leader()
	return contact{silence: r.silence(), leads: r.readyTerm() != 0, known: known}
}

// watch says that the node is cut off before it has had no leader for three election timeouts, looking four times in each.
// A leader that loses its followers notices only at the end of its lease; that counts too.
func (c *cutOff) watch(ctx context.Context, election, lease time.Duration, look func() contact) {
	tick := time.NewTicker(election / 4)
	defer tick.Stop()
	led, off := false, false
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := look()
		led = now.leads || led && !now.known
		if led && !now.leads {
			now.silence += lease
		}
		switch is := now.silence >= 3*election-election/4; {
		case is && !off:
			close(*c.ch.Load())
			off = true
		case !is && off:
			c.renew()
			off = false
		}
	}
}

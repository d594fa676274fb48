package edge

import (
	"context"
	"time"
)

// Acknowledgements travel at once when an eighth of the ring can be freed, or when whoever pops has been waiting already; else
// after settleDelay. Each costs the producer a wake-up: a consumer that is the faster of the two must not cause one each time
// that it runs dry.
const settleDelay = time.Millisecond

// settleLook is after how many acknowledgements to look at what they free.
const settleLook = 16

// owe notes that there may be something to settle. Called with mu held.
func (c *receiver) owe() {
	c.owed++
	if c.waiting {
		c.settle(true)
		return
	}
	if c.owed >= settleLook {
		c.settle(false)
	}
	if !c.armed {
		c.armed = true
		c.late.Reset(settleDelay)
	}
}

// settler settles what was acknowledged by somebody who does not pop.
func (c *receiver) settler(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			c.late.Stop()
			return
		case <-c.late.C:
			c.mu.Lock()
			c.armed = false
			c.settle(true)
			c.mu.Unlock()
		}
	}
}

// settle tells the ring what is acknowledged: all of it, or only if it frees enough. Called with mu held. While a record is
// viewed its space must stay, so the end of the view settles.
func (c *receiver) settle(all bool) {
	if c.ring == nil || c.viewing {
		return
	}
	c.owed = 0
	if c.inbox.lies.Load() {
		c.withheld = c.withheld || all
	} else {
		c.r.Hold(0)
	}
	freed, room := c.r.Settle()
	if !all && room-c.room < c.eighth {
		return
	}
	stable := c.r.Stable()
	if freed == c.freed && stable.Equal(c.stable) {
		return
	}
	var note []byte
	if !stable.Equal(c.stable) {
		c.note = stable.Append(c.note[:0])
		note = c.note
	}
	if err := c.ring.Ack(freed, note); err != nil {
		c.link.lost(c.r.Generation(), err)
		return
	}
	c.freed, c.room, c.stable = freed, room, stable
}

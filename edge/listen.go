package edge

import (
	"context"
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// install binds a ring and starts to wait on it. In a ring whose consumer asks for what it is not shown, the batch stays open
// until the ring is left.
func (p *sender) install(ctx context.Context, ring fabric.Producer, rec api.Edge) error {
	ring.SetMode(p.mode)
	batch := fabric.MakeBatch(ring)
	borrowed, lent := &batch, false
	if _, asks := ring.(fabric.Holder); asks {
		b, err := ring.Begin()
		if err != nil {
			return err
		}
		borrowed, lent = b, true
	}
	p.lock()
	defer p.mu.Unlock()
	p.s.Bind(rec.Generation)
	p.s.KeepIn(&borrowed.Run)
	p.ring, p.batch, p.lent, p.first = ring, borrowed, lent, false
	p.heeder, _ = ring.(fabric.Heeder)
	p.keeps = lent && borrowed.Kept != 0 && p.err == nil
	p.count.bound(rec.Reason)
	p.all.Go(func() { p.listen(ctx, ring, rec.Generation) })
	return nil
}

func (p *sender) remove() {
	p.lock()
	defer p.mu.Unlock()
	p.leave()
	if p.lent {
		_ = p.batch.End() // what it could not publish is retained
	}
	p.ring, p.batch, p.lent, p.heeder = nil, nil, false, nil
}

// listen takes the consumer's notes and uses the room that it makes, until the ring is left.
func (p *sender) listen(ctx context.Context, ring fabric.Producer, gen fence.Epoch) {
	resumed := false
	for {
		err := p.hear(ring, gen, &resumed)
		if err == nil {
			err = ring.Wait(ctx)
		}
		if err != nil {
			if errors.Is(err, handoff.ErrTrimmed) {
				p.fail(err)
			}
			p.link.lost(gen, err)
			return
		}
	}
}

// hear reads the notes of the bound ring once and sends what there is room for.
func (p *sender) hear(ring fabric.Producer, gen fence.Epoch, resumed *bool) error {
	p.lock()
	defer p.mu.Unlock()
	if p.ring != ring {
		return errMoved
	}
	if err := p.notice(); err != nil {
		return err
	}
	if !*resumed {
		note, ok, err := ring.Resume()
		if err != nil {
			return err
		}
		if ok {
			accepted, err := position.DecodeVector(note)
			if err != nil {
				return fmt.Errorf("resume note: %w: %w", fabric.ErrCorrupt, err)
			}
			if err := p.s.Resume(accepted); err != nil {
				return fmt.Errorf("edge %s: %w", p.link.name, err)
			}
			*resumed = true
			p.link.met(gen)
		}
	}
	p.heed(p.awaited || p.waits || p.lag.on) // who has waited lately is about to wait again
	p.waits = false
	p.send()
	return p.batch.Flush()
}

// heed says whether the listener is to be woken by acknowledgements. Nobody needs it to while no caller waits, no item is timed and all that
// is retained is sent: who pushes looks for itself when it needs the room, and so does who asks what is acknowledged.
func (p *sender) heed(acks bool) {
	if p.heeder != nil {
		p.heeder.Heed(acks)
	}
}

package edge

import (
	"context"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// markDelay is how long a mark may wait for an item that makes it unnecessary.
const markDelay = time.Millisecond

// flusher publishes what Push committed in rings that nobody asks in, in batches as large as they become while it is at work,
// and pushes marks that no item has overtaken.
func (p *sender) flusher(ctx context.Context) {
	late := time.NewTimer(0)
	<-late.C
	armed := false
	for {
		select {
		case <-ctx.Done():
			late.Stop()
			return
		case <-late.C:
			armed = false
			p.pushMarks()
		case <-p.kick:
		}
		if p.flushKicked() && !armed {
			armed = true
			late.Reset(markDelay)
		}
	}
}

// flushKicked flushes for the flusher, and reports whether there are marks to be pushed later.
func (p *sender) flushKicked() (marks bool) {
	p.lock()
	defer p.mu.Unlock()
	p.kicked = false
	_ = p.flushLocked() // the role has ended, and so will the flusher
	return p.marks.Len() > 0
}

func (p *sender) flush() error {
	p.lock()
	defer p.mu.Unlock()
	return p.flushLocked()
}

func (p *sender) flushLocked() error {
	if p.err != nil {
		return p.err
	}
	p.send()
	if p.batch != nil {
		if err := p.batch.Flush(); err != nil {
			p.link.lost(p.s.Generation(), err)
		}
	}
	return nil
}

func (p *sender) mark(pos position.Position) error {
	if err := pos.Validate(); err != nil {
		return fmt.Errorf("edge %s: %w", p.link.name, err)
	}
	p.lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	p.marks = p.marks.With(pos)
	p.wakeFlusher()
	return nil
}

// pushMarks pushes the marks that lie above what has been pushed. They are small, and of those that are not sent yet there is
// at most one per lane, so the window need not have room for them: waiting for it here would stop the acknowledgements that
// make room. Too many lanes end the role.
func (p *sender) pushMarks() {
	p.lock()
	marks := p.marks
	p.marks = position.Vector{}
	var err error
	for _, pos := range marks.Positions() {
		if err == nil && !p.s.Covers(pos) {
			err = p.s.Push(handoff.Entry{Pos: pos, Kind: handoff.Mark})
		}
	}
	p.mu.Unlock()
	if err != nil {
		p.fail(fmt.Errorf("edge %s: mark: %w", p.link.name, err))
	}
}

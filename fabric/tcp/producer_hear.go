package tcp

import (
	"fmt"

	"github.com/grafnode/grafnode/fabric"
)

// handle takes in what the owner says.
func (p *producer) handle(f frame) error {
	switch f.kind {
	case kindBeat:
		return nil
	case kindSeal:
		return decodeRefusal(f.payload)
	case kindDirect:
		if p.fallback == nil {
			return fmt.Errorf("%v frame that nobody waits for: %w", f.kind, fabric.ErrCorrupt)
		}
		p.fallback()
		p.fallback = nil
		return nil
	case kindCredit:
		if f.number < p.credit.Load() {
			return fmt.Errorf("credit fell from %d to %d: %w", p.credit.Load(), f.number, fabric.ErrCorrupt)
		}
		p.credit.Store(f.number)
	case kindResume:
		if !p.put(&p.resume, f.payload) {
			return fmt.Errorf("second resume note: %w", fabric.ErrCorrupt)
		}
	case kindStable:
		p.put(&p.stable, f.payload)
	case kindWant:
		p.want.say()
	default:
		return fmt.Errorf("%v frame to a producer: %w", f.kind, fabric.ErrCorrupt)
	}
	wake(p.news)
	return nil
}

// put sets n and reports whether that was the first time.
func (p *producer) put(n *note, b []byte) (first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first = !n.set
	n.bytes = append(n.bytes[:0], b...)
	n.set, n.unread = true, true
	return first
}

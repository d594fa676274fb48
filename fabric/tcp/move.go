package tcp

import "sync/atomic"

// This file is what the sides of a spare say to each other. Each word is said once, and a second time it changes nothing.

// sign is the other side's word: unsaid, said, or said and known.
type sign struct{ state atomic.Uint32 }

const (
	unsaid uint32 = iota
	said
	known
)

func (s *sign) say()        { s.state.CompareAndSwap(unsaid, said) }
func (s *sign) isNew() bool { return s.state.Load() == said }

// read reports whether the word has been said, and makes it known.
func (s *sign) read() bool {
	s.state.CompareAndSwap(said, known)
	return s.state.Load() == known
}

// Activate implements fabric.Producer.
func (p *producer) Activate() error {
	if err := p.check(); err != nil {
		return err
	}
	return p.checked(p.l.send(kindActive, 0, 0, nil))
}

// MoveWanted implements fabric.Producer.
func (p *producer) MoveWanted() (bool, error) {
	if err := p.check(); err != nil {
		return false, err
	}
	return p.want.read(), nil
}

// Active implements fabric.Consumer.
func (c *consumer) Active() (bool, error) {
	if err := c.check(); err != nil {
		return false, err
	}
	return c.active.read(), nil
}

// WantMove implements fabric.Consumer.
func (c *consumer) WantMove() error {
	if err := c.check(); err != nil {
		return err
	}
	if err := c.l.send(kindWant, 0, 0, nil); err != nil {
		if loss := c.check(); loss != nil {
			return loss
		}
		return err
	}
	return nil
}

// tellWanted passes on that the consumer wants to move here. The caller has the turn.
func (e *producerEnd) tellWanted() error {
	if e.wanted {
		return nil
	}
	wanted, err := e.ring.MoveWanted()
	if err != nil || !wanted {
		return err
	}
	e.wanted = true
	return e.l.send(kindWant, 0, 0, nil)
}

// tellActive passes on that the producer has activated the ring.
func (e *consumerEnd) tellActive() error {
	if e.active {
		return nil
	}
	e.turn.Lock()
	active, err := e.ring.Active()
	e.turn.Unlock()
	if err != nil || !active {
		return nil // a loss is pump's to report, after the records that are intact
	}
	e.active = true
	return e.l.send(kindActive, 0, 0, nil)
}

package ring

import (
	"sync/atomic"

	"github.com/grafnode/grafnode/fabric/internal/step"
)

// This file is what the sides of a spare say to each other: a word each, written once.

// sign is the other side's word, as this side sees it.
type sign struct {
	told atomic.Bool // a wait has ended since it was there, or a call has reported it
}

// isNews reports whether a wait is to end for it.
func (s *sign) isNews(word uint64) bool { return word != 0 && !s.told.Load() }

// read returns whether the word is there, and false as well if it is none.
func (s *sign) read(word *atomic.Uint64) (there, ok bool) {
	v := word.Load()
	if v == 1 {
		s.told.Store(true)
	}
	return v == 1, v <= 1
}

// Activate is fabric's Activate.
func (p *Producer) Activate() error {
	if err := p.begin(); err != nil {
		return err
	}
	defer p.exit()
	if err := p.verdict(); err != nil {
		return err
	}
	step.At("activate")
	p.words.Active.Store(1)
	step.At("activate/visible")
	p.wakeConsumer()
	return nil
}

// MoveWanted is fabric's MoveWanted.
func (p *Producer) MoveWanted() (bool, error) {
	if err := p.begin(); err != nil {
		return false, err
	}
	defer p.exit()
	peer := p.peer.Load()
	if peer == nil {
		return false, nil
	}
	wanted, ok := p.want.read(&peer.Want)
	if !ok {
		return false, p.corrupt("the word for a wanted move is %d", peer.Want.Load())
	}
	return wanted, nil
}

// Active is fabric's Active.
func (c *Consumer) Active() (bool, error) {
	if err := c.begin(); err != nil {
		return false, err
	}
	defer c.exit()
	if err := c.verdict(); err != nil {
		return false, err
	}
	peer := c.peer.Load()
	if peer == nil {
		return false, nil
	}
	active, ok := c.active.read(&peer.words.Active)
	if !ok {
		return false, c.corrupt("the word for an active spare is %d", peer.words.Active.Load())
	}
	return active, nil
}

// WantMove is fabric's WantMove.
func (c *Consumer) WantMove() error {
	if err := c.beginWrite(); err != nil {
		return err
	}
	defer c.exit()
	step.At("want")
	c.words.Want.Store(1)
	step.At("want/visible")
	c.wakeProducer(0)
	return nil
}

// waited notes that a wait has ended: whoever waited looks, or does not care.
func (p *Producer) waited() {
	if peer := p.peer.Load(); peer != nil && peer.Want.Load() != 0 {
		p.want.told.Store(true)
	}
}

func (c *Consumer) waited() {
	if peer := c.peer.Load(); peer != nil && peer.words.Active.Load() != 0 {
		c.active.told.Store(true)
	}
}

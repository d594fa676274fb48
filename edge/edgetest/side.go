package edgetest

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/grafnode/grafnode/fabric"
)

// side is one attachment, which can be lost with its ring or by itself.
type side struct {
	ring   *ring
	once   sync.Once
	broken chan struct{}
	cut    atomic.Bool // broken is closed
}

func (s *side) sever() {
	s.once.Do(func() {
		s.cut.Store(true)
		close(s.broken)
	})
}

func (s *side) err() error {
	if s.cut.Load() || s.ring.cut.Load() {
		return fabric.ErrDisconnected
	}
	return nil
}

// wait runs a ring's Wait until the side is lost.
func (s *side) wait(ctx context.Context, inner func(context.Context) error) error {
	if s.err() != nil {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-s.broken:
			cancel(fabric.ErrDisconnected)
		case <-s.ring.lost:
			cancel(fabric.ErrDisconnected)
		case <-done:
		}
	}()
	if err := inner(ctx); err != nil && s.err() == nil {
		return err
	}
	return nil
}

type producer struct {
	fabric.Producer
	*side
}

func (p *producer) Claim(n int) ([]byte, error) {
	if err := p.err(); err != nil {
		return nil, err
	}
	return p.Producer.Claim(n)
}

func (p *producer) Commit() error {
	if err := p.err(); err != nil {
		return err
	}
	return p.Producer.Commit()
}

func (p *producer) Begin() (*fabric.Batch, error) {
	if err := p.err(); err != nil {
		return nil, err
	}
	b := fabric.MakeBatch(p)
	return &b, nil
}

// Hold implements fabric.Holder.
func (p *producer) Hold() bool {
	h, ok := p.Producer.(fabric.Holder)
	return ok && p.err() == nil && h.Hold()
}

func (p *producer) Flush() error {
	if err := p.err(); err != nil {
		return err
	}
	return p.Producer.Flush()
}

func (p *producer) Resume() ([]byte, bool, error) {
	if err := p.err(); err != nil {
		return nil, false, err
	}
	return p.Producer.Resume()
}

func (p *producer) Stable() ([]byte, bool, error) {
	if err := p.err(); err != nil {
		return nil, false, err
	}
	return p.Producer.Stable()
}

func (p *producer) Activate() error {
	if err := p.err(); err != nil {
		return err
	}
	return p.Producer.Activate()
}

func (p *producer) MoveWanted() (bool, error) {
	if err := p.err(); err != nil {
		return false, err
	}
	return p.Producer.MoveWanted()
}

func (p *producer) Wait(ctx context.Context) error { return p.wait(ctx, p.Producer.Wait) }

type consumer struct {
	fabric.Consumer
	*side
}

func (c *consumer) SetResume(note []byte) error {
	if err := c.err(); err != nil {
		return err
	}
	return c.Consumer.SetResume(note)
}

func (c *consumer) Next() ([]byte, error) {
	if err := c.err(); err != nil {
		return nil, err
	}
	return c.Consumer.Next()
}

func (c *consumer) Drain(limit int, f func([]byte) error) (int, error) {
	if err := c.err(); err != nil {
		return 0, err
	}
	return c.Consumer.Drain(limit, f)
}

func (c *consumer) Ack(n uint64, stable []byte) error {
	if err := c.err(); err != nil {
		return err
	}
	return c.Consumer.Ack(n, stable)
}

func (c *consumer) Active() (bool, error) {
	if err := c.err(); err != nil {
		return false, err
	}
	return c.Consumer.Active()
}

func (c *consumer) WantMove() error {
	if err := c.err(); err != nil {
		return err
	}
	return c.Consumer.WantMove()
}

func (c *consumer) Wait(ctx context.Context) error { return c.wait(ctx, c.Consumer.Wait) }

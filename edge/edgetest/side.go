package edgetest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grafnode/grafnode/fabric"
)

// side is one attachment, which can be lost with its ring or by itself, or not hear of the other one for a while.
type side struct {
	ring   *ring
	holder *Client
	role   fabric.Role
	ear    ear
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

// close forgets the side.
func (s *side) close() {
	s.holder.mu.Lock()
	defer s.holder.mu.Unlock()
	delete(s.holder.sides, s)
}

// deafen has the side not hear of the other one for d. It takes that for a loss after Silence, as heartbeats do.
func (s *side) deafen(d time.Duration) {
	s.ear.shut(d)
	if d > Silence {
		time.AfterFunc(Silence, s.sever)
	}
}

// step is taken before each look at the ring, and each change of it.
func (s *side) step() error {
	s.holder.c.step()
	return s.err()
}

func (s *side) err() error {
	if s.cut.Load() || s.ring.cut.Load() {
		return fabric.ErrDisconnected
	}
	return nil
}

// wait runs a ring's Wait until the side is lost, and not before it can hear.
func (s *side) wait(ctx context.Context, inner func(context.Context) error) error {
	for open := s.ear.opened(); open != nil; open = s.ear.opened() {
		select {
		case <-open:
		case <-s.broken:
			return nil
		case <-s.ring.lost:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
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

// mode is how a side waits that asks for m.
func (r *ring) mode(m fabric.Mode) fabric.Mode {
	if r.thrifty {
		return fabric.Thrifty
	}
	return m
}

type producer struct {
	fabric.Producer
	*side
	local  bool // its batches write the ring's memory
	wanted atomic.Bool
}

func (p *producer) Claim(n int) ([]byte, error) {
	if err := p.step(); err != nil {
		return nil, err
	}
	return p.Producer.Claim(n)
}

func (p *producer) Commit() error {
	if err := p.step(); err != nil {
		return err
	}
	return p.Producer.Commit()
}

// Begin lends the ring's own memory, or a batch each of whose records is a call, as a ring on another host does.
func (p *producer) Begin() (*fabric.Batch, error) {
	if err := p.step(); err != nil {
		return nil, err
	}
	if p.local {
		return p.Producer.Begin()
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
	if err := p.step(); err != nil {
		return err
	}
	return p.Producer.Flush()
}

func (p *producer) Resume() ([]byte, bool, error) {
	if err := p.step(); err != nil || p.ear.deaf.Load() {
		return nil, false, err
	}
	return p.Producer.Resume()
}

func (p *producer) Stable() ([]byte, bool, error) {
	if err := p.step(); err != nil || p.ear.deaf.Load() {
		return nil, false, err
	}
	return p.Producer.Stable()
}

func (p *producer) Activate() error {
	if err := p.step(); err != nil {
		return err
	}
	return p.Producer.Activate()
}

func (p *producer) MoveWanted() (bool, error) {
	if err := p.step(); err != nil || p.ear.deaf.Load() {
		return p.wanted.Load(), err
	}
	wanted, err := p.Producer.MoveWanted()
	p.wanted.Store(wanted)
	return wanted, err
}

// SetMode implements fabric.Producer.
func (p *producer) SetMode(m fabric.Mode) { p.Producer.SetMode(p.ring.mode(m)) }

// Close implements fabric.Producer.
func (p *producer) Close() error {
	p.close()
	return p.Producer.Close()
}

func (p *producer) Wait(ctx context.Context) error { return p.wait(ctx, p.Producer.Wait) }

type consumer struct {
	fabric.Consumer
	*side
	active atomic.Bool
	taken  atomic.Int64 // records since the last pause
}

func (c *consumer) SetResume(note []byte) error {
	if err := c.step(); err != nil {
		return err
	}
	return c.Consumer.SetResume(note)
}

// due returns how many records the side may take now.
func (c *consumer) due(limit int) (int, error) {
	if err := c.step(); err != nil {
		return 0, err
	}
	if c.ear.deaf.Load() {
		return 0, fabric.ErrEmpty
	}
	if pace := c.ring.pace; pace.records > 0 {
		limit = min(limit, pace.records-int(c.taken.Load()))
	}
	return limit, nil
}

// took notes what was taken, and makes the side wait if that is all that it may.
func (c *consumer) took(n int) {
	pace := c.ring.pace
	if pace.records > 0 && c.taken.Add(int64(n)) >= int64(pace.records) {
		c.taken.Store(0)
		c.ear.shut(pace.every)
	}
}

func (c *consumer) Next() ([]byte, error) {
	if _, err := c.due(1); err != nil {
		return nil, err
	}
	b, err := c.Consumer.Next()
	if err == nil {
		c.took(1)
		b = c.ring.read(b)
	}
	return b, err
}

func (c *consumer) Drain(limit int, f func([]byte) error) (int, error) {
	limit, err := c.due(limit)
	if err != nil {
		return 0, err
	}
	n, err := c.Consumer.Drain(limit, func(b []byte) error { return f(c.ring.read(b)) })
	c.took(n)
	return n, err
}

func (c *consumer) Ack(n uint64, stable []byte) error {
	if err := c.step(); err != nil {
		return err
	}
	return c.Consumer.Ack(n, stable)
}

func (c *consumer) Active() (bool, error) {
	if err := c.step(); err != nil || c.ear.deaf.Load() {
		return c.active.Load(), err
	}
	active, err := c.Consumer.Active()
	c.active.Store(active)
	return active, err
}

func (c *consumer) WantMove() error {
	if err := c.step(); err != nil {
		return err
	}
	return c.Consumer.WantMove()
}

// SetMode implements fabric.Consumer.
func (c *consumer) SetMode(m fabric.Mode) { c.Consumer.SetMode(c.ring.mode(m)) }

// Close implements fabric.Consumer.
func (c *consumer) Close() error {
	c.close()
	return c.Consumer.Close()
}

func (c *consumer) Wait(ctx context.Context) error { return c.wait(ctx, c.Consumer.Wait) }

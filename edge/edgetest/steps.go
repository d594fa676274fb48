package edgetest

import (
	"sync"
	"sync/atomic"
)

// steps counts what processes do to rings, the registry and stores. Between two steps nobody sees a difference, so what happens there
// is all that can happen.
type steps struct {
	armed atomic.Bool // left is not zero; stored with mu held, loaded before each step

	mu   sync.Mutex
	left int
	do   func() // at the step that makes left zero; called without mu held
}

// AtStep has do called once, by whichever process is about to take the nth next step: to read or write a ring, to ask the registry or
// to hear its answer, or to write a store (Client.Running). All that went before has happened, and the step has not. It takes the
// place of an earlier AtStep whose step has not come; with n zero that is all that it does.
func (c *Cluster) AtStep(n int, do func()) {
	s := &c.steps
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.do = n, do
	s.armed.Store(n > 0)
}

// step is called before each step, with no lock held.
func (c *Cluster) step() {
	if c.steps.armed.Load() {
		c.steps.take()
	}
}

func (s *steps) take() {
	s.mu.Lock()
	if s.left == 0 {
		s.mu.Unlock()
		return
	}
	s.left--
	last, do := s.left == 0, s.do
	if last {
		s.armed.Store(false)
	}
	s.mu.Unlock()
	if last {
		do()
	}
}

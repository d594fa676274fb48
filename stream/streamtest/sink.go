package streamtest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
)

// ErrBroken is how a Commit fails that a test breaks.
var ErrBroken = errors.New("streamtest: broken on purpose")

// Fault is what goes wrong with a Commit.
type Fault int

// The faults. After Lost nothing is committed, after Unanswered all of it; the caller learns of both only ErrBroken.
const (
	None Fault = iota
	Lost
	Unanswered
)

// Sink is a stream.Sink in memory. The zero Sink is empty. All methods are safe for concurrent use.
type Sink[T any] struct {
	// Break, if set, is asked before each Commit, and says what goes wrong with it.
	Break func(stream.Effects[T]) Fault
	// Reject, if set, says why an item can never be committed; empty: it can.
	Reject func(stream.Item[T]) string

	mu    sync.Mutex
	guard fence.Guard
	done  position.Vector
	items []stream.Item[T]
	fence int // writes refused
	count int // commits
}

// Claim implements stream.Sink.
func (s *Sink[T]) Claim(_ context.Context, epoch fence.Epoch) (position.Vector, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.guard.Admit(epoch); err != nil {
		s.fence++
		return position.Vector{}, err
	}
	return s.done, nil
}

// Commit implements stream.Sink.
func (s *Sink[T]) Commit(_ context.Context, b stream.Effects[T]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.guard.Admit(b.Epoch); err != nil {
		s.fence++
		return err
	}
	fault := None
	if s.Break != nil {
		fault = s.Break(b)
	}
	if fault == Lost {
		return ErrBroken
	}
	for _, item := range b.Items {
		if s.Reject != nil {
			if reason := s.Reject(item); reason != "" {
				return fmt.Errorf("item %v: %w", item.Pos, stream.Reject(reason))
			}
		}
	}
	s.items = append(s.items, b.Items...)
	s.done = b.Upto
	s.count++
	if fault == Unanswered {
		return ErrBroken
	}
	return nil
}

// Items returns what has been committed, in that order.
func (s *Sink[T]) Items() []stream.Item[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]stream.Item[T]{}, s.items...)
}

// Values returns the values of Items.
func (s *Sink[T]) Values() []T {
	var vs []T
	for _, item := range s.Items() {
		vs = append(vs, item.Value)
	}
	return vs
}

// Done returns the committed positions.
func (s *Sink[T]) Done() position.Vector {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// Fenced returns how many writes of older epochs were refused.
func (s *Sink[T]) Fenced() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fence
}

// Commits returns how many batches were committed.
func (s *Sink[T]) Commits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

package streamtest

import (
	"context"
	"sync"
	"time"

	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
)

// Probe returns sink for use in a pipeline that w plays. It has commits fail as networks and stores have them fail: not carried out;
// carried out, and not answered; late, when somebody else has taken the sink over perhaps; broken off at any place where the sink looks at its
// context. And it holds the sink to what it promised: what it has answered it has for ever, and after a Claim it carries out
// nothing of an older epoch. All instances that have the same name are of the same sink.
func Probe[T any](w *World, name string, sink stream.Sink[T]) stream.Sink[T] {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &probe[T]{w, name, sink, w.probeLocked(name)}
}

func (w *World) probeLocked(name string) *record {
	r := w.probes[name]
	if r == nil {
		r = &record{}
		w.probes[name] = r
	}
	return r
}

// record is what is known of a sink, whichever process uses it.
type record struct {
	mu       sync.Mutex
	claimed  fence.Epoch     // the highest of a Claim that was answered
	answered position.Vector // what the sink has said that it holds
	has      position.Vector // the same, and what it said to nobody who heard
}

func (r *record) holds() position.Vector {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.has
}

type probe[T any] struct {
	w    *World
	name string
	sink stream.Sink[T]
	*record
}

// Claim implements stream.Sink.
func (s *probe[T]) Claim(ctx context.Context, epoch fence.Epoch) (position.Vector, error) {
	if err := running(ctx); err != nil {
		return position.Vector{}, err
	}
	s.mu.Lock()
	before := s.answered
	s.mu.Unlock()
	done, err := s.sink.Claim(ctx, epoch)
	if err != nil {
		return done, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range before.Positions() {
		if !done.Covers(p) {
			s.w.Errorf("sink %s: Claim under epoch %v says %v is done, and Commit had answered for %v: it was not durable yet", s.name, epoch, done, before)
			break
		}
	}
	s.claimed = max(s.claimed, epoch)
	s.answered, s.has = s.answered.Max(done), s.has.Max(done)
	return done, nil
}

// Commit implements stream.Sink.
func (s *probe[T]) Commit(ctx context.Context, b stream.Effects[T]) error {
	if err := running(ctx); err != nil {
		return err
	}
	fault := s.w.mishap(s.name)
	switch fault {
	case commitLost:
		return ErrBroken
	case commitLate:
		time.Sleep(s.w.exp([]time.Duration{20 * time.Millisecond, 2 * time.Second}[s.w.n(2)]))
	case commitBrokenOff:
		ctx = breakOff(ctx, s.w.n(4))
	}
	s.mu.Lock()
	claimed := s.claimed
	s.mu.Unlock()
	if err := s.sink.Commit(ctx, b); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.Epoch < claimed {
		s.w.Errorf("sink %s: Commit carried out under epoch %v after a Claim under %v: it is not fenced", s.name, b.Epoch, claimed)
	}
	s.has = s.has.Max(b.Upto)
	if fault == commitUnanswered {
		return ErrBroken
	}
	s.answered = s.answered.Max(b.Upto)
	return nil
}

// What happens to commits of probed sinks.
const (
	commitLost       = "commit lost"
	commitUnanswered = "commit unanswered"
	commitLate       = "commit late"
	commitBrokenOff  = "commit broken off"
)

var commitFaults = []edgetest.Fault{
	{Name: commitLost, Doc: "a commit fails, and is not carried out"},
	{Name: commitUnanswered, Doc: "a commit fails, and is carried out"},
	{Name: commitLate, Doc: "a commit takes long, until somebody else has taken the sink over perhaps"},
	{Name: commitBrokenOff, Doc: "a commit is broken off where the sink looks at its context"},
}

// mishap returns what happens to the next commit of a sink; empty: nothing.
func (w *World) mishap(sink string) string {
	if len(w.mishaps) == 0 || w.n(100) >= w.breaks {
		return ""
	}
	fault := w.mishaps[w.n(len(w.mishaps))].Name
	w.note(sink + ": " + fault)
	return fault
}

// running waits until the process that ctx is of is not paused: what it does to a store comes when it wakes.
func running(ctx context.Context) error {
	if p, ok := ctx.Value(theProcess{}).(*process); ok {
		return p.Running(ctx)
	}
	return nil
}

// breakOff returns a context that ends when it has been looked at so many times.
func breakOff(ctx context.Context, looks int) context.Context {
	inner, cancel := context.WithCancelCause(ctx)
	return &brittle{Context: inner, end: func() { cancel(ErrBroken) }, looks: looks}
}

type brittle struct {
	context.Context
	end func()

	mu    sync.Mutex
	looks int
}

func (c *brittle) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.looks--; c.looks < 0 {
		c.end()
	}
}

// Err implements context.Context.
func (c *brittle) Err() error {
	c.look()
	return c.Context.Err()
}

// Done implements context.Context.
func (c *brittle) Done() <-chan struct{} {
	c.look()
	return c.Context.Done()
}

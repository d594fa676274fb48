package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
)

// hedgeAfter is how long a node is waited for before the next one is asked as well. A node that is stopped, or that forwards
// to a leader that is, would otherwise cost the whole of a try's time.
const hedgeAfter = 500 * time.Millisecond

// tour asks one node after the other until one gives an answer that is not "not here, not now", and returns it. With
// hedging, a node that is slow is not waited for before asking the next, so only what may be carried out twice may be
// hedged; without it, an unknown outcome is an answer.
type tour[T any] struct {
	route *route
	hedge bool
	near  bool // any node can answer; otherwise only the leader, by whatever way
	ask   func(context.Context, *API) (T, error)

	answers chan answer[T]
	asking  map[*API]time.Time // since when
	failure error              // the last, an unknown outcome before all others
	copies  int                // how many were sent
}

type answer[T any] struct {
	node  *API
	value T
	err   error
}

// once asks each node once. The caller's goroutine asks the first, which nearly always answers: another one, whose stack has to
// grow each time, is a tenth of a client's work. If the first is slow, a timer's goroutine goes on to the others.
func (t *tour[T]) once(ctx context.Context) (T, error) {
	nodes := t.route.leaderFirst()
	if t.near {
		nodes = t.route.order()
	}
	t.answers, t.asking, t.failure = make(chan answer[T], len(nodes)), map[*API]time.Time{}, nil
	if ctx.Err() != nil {
		var none T
		return none, context.Cause(ctx)
	}
	asking, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	ask := func(node *API) {
		value, err := t.ask(asking, node)
		t.answers <- answer[T]{node, value, err}
	}
	also := func(node *API) {
		t.begin(node)
		running.Go(func() { ask(node) })
	}
	first, others := nodes[0], nodes[1:]
	t.begin(first)
	if !t.hedge || len(others) == 0 {
		ask(first)
		return t.rest(ctx, others, also)
	}
	overtaken := make(chan answer[T], 1)
	slow := time.AfterFunc(hedgeAfter, func() {
		also(others[0])
		value, err := t.rest(ctx, others[1:], also)
		cancel() // the first may still be asked
		overtaken <- answer[T]{nil, value, err}
	})
	ask(first)
	if slow.Stop() {
		return t.rest(ctx, others, also)
	}
	e := <-overtaken
	return e.value, e.err
}

func (t *tour[T]) begin(node *API) {
	t.asking[node] = time.Now()
	t.copies++
}

// rest waits for an answer that counts, and has the next of nodes asked also whenever it is time to.
func (t *tour[T]) rest(ctx context.Context, nodes []*API, also func(*API)) (T, error) {
	for {
		if a, final := t.wait(ctx, len(nodes) > 0); final {
			return a.value, a.err
		}
		if ctx.Err() != nil || len(nodes) == 0 {
			break
		}
		also(nodes[0])
		nodes = nodes[1:]
	}
	if a, final := t.wait(ctx, false); final { // the time is over: what is on its way may have been carried out
		return a.value, a.err
	}
	var none T
	if t.failure == nil {
		t.failure = context.Cause(ctx)
	}
	return none, t.failure
}

// wait returns a final answer, or false when it is time to ask the next node or, if there is no more, all have failed.
func (t *tour[T]) wait(ctx context.Context, more bool) (answer[T], bool) {
	var slow <-chan time.Time
	if t.hedge && more {
		timer := time.NewTimer(hedgeAfter)
		defer timer.Stop()
		slow = timer.C
	}
	var refused *answer[T]
	for len(t.asking) > 0 {
		select {
		case <-slow:
			return answer[T]{}, false
		case a := <-t.answers: // comes soon after ctx ends, too
			delete(t.asking, a.node)
			switch {
			case undecided(a.err):
				t.route.report(a.node, nil)
				refused, slow = &a, nil // the leader's word: another node would bring the same
			case t.final(ctx, a):
				return a, true
			case more && refused == nil:
				return answer[T]{}, false
			}
		}
	}
	if refused == nil {
		return answer[T]{}, false
	}
	if errors.Is(t.failure, api.ErrUnknown) {
		refused.err = fmt.Errorf("%w; another copy of it: %w", refused.err, t.failure)
	}
	return *refused, true
}

// undecided reports whether err refuses one copy of a request and says nothing of the others: they may find the room, or the
// turn, that this one did not.
func undecided(err error) bool {
	return errors.Is(err, api.ErrNoRoom) || errors.Is(err, api.ErrOverloaded)
}

// final takes an answer in, and reports whether it is one that counts.
func (t *tour[T]) final(ctx context.Context, a answer[T]) bool {
	if ctx.Err() == nil {
		t.route.report(a.node, a.err)
	}
	if elsewhere(a.err) || t.hedge && errors.Is(a.err, api.ErrUnknown) {
		if !errors.Is(t.failure, api.ErrUnknown) {
			t.failure = a.err
		}
		return false
	}
	for node, since := range t.asking {
		if time.Since(since) >= hedgeAfter { // overtaken: it has had its time
			t.route.report(node, api.ErrUnavailable)
		}
	}
	return true
}

// handover is how long a request goes round all nodes before it is said that none can answer: leadership takes less to be handed on,
// as when a node is stopped for an upgrade, and most of the time less to go from one that has died to another.
const handover = time.Second

// several asks round for a while. An unknown outcome is not asked again.
func (t *tour[T]) several(ctx context.Context) (T, error) {
	began, wait := time.Now(), new(backoff)
	for {
		value, err := t.once(ctx)
		if !again(err) || time.Since(began) > handover {
			return value, err
		}
		if cause := wait.sleep(ctx); cause != nil {
			return value, fmt.Errorf("%w; last: %w", cause, err)
		}
	}
}

// known asks round until the outcome is known, or ctx ends: only for requests that are carried out once however often they are
// sent.
func (t *tour[T]) known(ctx context.Context) (T, error) {
	var open error // an earlier copy's unknown outcome: what is refused now may yet have been done by it
	for wait := new(backoff); ; {
		value, err := t.once(ctx)
		switch {
		case err == nil:
			return value, nil
		case errors.Is(err, api.ErrUnknown):
			open = err
		case open != nil && undecided(err):
			return value, fmt.Errorf("%w; an earlier copy of it: %w", err, open)
		case !again(err):
			return value, err
		}
		cause := wait.sleep(ctx)
		switch {
		case cause == nil:
		case open != nil:
			return value, fmt.Errorf("%w; last: %w", cause, open)
		default:
			return value, fmt.Errorf("%w; last: %w", cause, err)
		}
	}
}

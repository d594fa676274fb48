package registry

import (
	"context"
	"sync/atomic"

	"github.com/grafnode/grafnode/internal/watchstream"
	"github.com/grafnode/grafnode/registry/state"
)

// hub is where the one writer of states, Raft's apply goroutine, meets any number of readers. Publishing is one swap and one
// close, whoever reads or waits, so readers can never hold the writer up. Watchers are woken by another goroutine.
type hub struct {
	log  *watchstream.Log     // the writer's alone
	view atomic.Pointer[view] // stored by publish alone; loaded by readers
	bell *bell
	gone *cutOff
}

// view is a state, the changes that led there, and how to learn of the next.
type view struct {
	state   *state.State
	changes watchstream.View
	applied uint64        // log index; at or above the state's
	newer   chan struct{} // closed when there is a newer view
}

func newHub(changes, bytes int) *hub {
	h := &hub{log: watchstream.NewLog(changes, bytes), bell: newBell(), gone: newCutOff()}
	h.view.Store(h.look(state.New(), 0))
	return h
}

func (h *hub) look(s *state.State, applied uint64) *view {
	return &view{state: s, changes: h.log.View(s), applied: applied, newer: make(chan struct{})}
}

func (h *hub) publish(s *state.State, applied uint64) {
	old := h.view.Swap(h.look(s, applied))
	close(old.newer)
}

// wait blocks until the log is applied up to index.
func (h *hub) wait(ctx context.Context, index uint64) error {
	return h.until(ctx, func(v *view) bool { return v.applied >= index })
}

// until blocks until there is a view as wanted.
func (h *hub) until(ctx context.Context, wanted func(*view) bool) error {
	for {
		v := h.view.Load()
		if wanted(v) {
			return nil
		}
		select {
		case <-v.newer:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// ring wakes watchers until ctx ends.
func (h *hub) ring(ctx context.Context) {
	for {
		v := h.view.Load()
		h.bell.ring(v.changes)
		select {
		case <-v.newer:
		case <-ctx.Done():
			return
		}
	}
}

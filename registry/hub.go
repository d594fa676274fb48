package registry

import (
	"context"
	"sync/atomic"
)

// hub is where the one writer of states, Raft's apply goroutine, meets any number of readers. Publishing is one swap and one
// close, whoever reads or waits, so readers can never hold the writer up.
type hub struct {
	view atomic.Pointer[view] // stored by publish alone; loaded by readers
}

// view is a state and how to learn of the next.
type view struct {
	state   *State
	applied uint64        // log index; at or above the state's revision
	newer   chan struct{} // closed when there is a newer view
}

func newHub() *hub {
	h := &hub{}
	h.view.Store(&view{state: NewState(), newer: make(chan struct{})})
	return h
}

func (h *hub) publish(s *State, applied uint64) {
	old := h.view.Swap(&view{state: s, applied: applied, newer: make(chan struct{})})
	close(old.newer)
}

// wait blocks until the log is applied up to index.
func (h *hub) wait(ctx context.Context, index uint64) error {
	for {
		v := h.view.Load()
		if v.applied >= index {
			return nil
		}
		select {
		case <-v.newer:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/internal/planted"
	"github.com/grafnode/grafnode/position"
)

// work takes what comes in.
func (r *windowing[T, S, B]) work(ctx, stop context.Context) error {
	for {
		size := 0
		msg, more, err := pop(ctx, stop, func(ctx context.Context) (msg edge.Msg[T], err error) {
			msg, size, err = r.pop(ctx)
			return msg, err
		}, &r.lanes)
		if err != nil {
			return err
		}
		if !more {
			return r.out.Flush()
		}
		if err := r.turn.enter(ctx); err != nil {
			return err
		}
		err = r.take(ctx, msg, size)
		r.turn.leave()
		if err != nil {
			return err
		}
	}
}

// pop pops a message, with what it takes of the edge's retention, in bytes.
func (r *windowing[T, S, B]) pop(ctx context.Context) (msg edge.Msg[T], size int, err error) {
	err = r.in.View(ctx, func(pos position.Position, kind handoff.Kind, payload []byte) error {
		msg.Pos, msg.Kind, size = pos, kind, handoff.HeaderBytes+len(payload)
		if kind != handoff.Item {
			return nil
		}
		var err error
		if msg.Value, err = r.inCodec.Decode(payload); err != nil {
			return fmt.Errorf("item %v: %w", pos, err)
		}
		return nil
	})
	return msg, size, err
}

// take takes a message into its lane's window, and sends that if it is full or the lane has ended.
func (r *windowing[T, S, B]) take(ctx context.Context, msg edge.Msg[T], size int) error {
	if r.held == 0 {
		signal(r.fresh)
	}
	w := &r.panes[msg.Pos.Lane]
	w.at, w.known, w.moved = msg.Pos, true, true
	r.held += uint64(size)
	if msg.Kind == handoff.Item {
		w.state, w.last = r.add(w.state, msg.Value), msg.Pos
		w.items++
	}
	border := w.items == r.n || msg.Kind == handoff.End && w.items > 0
	if border {
		if err := r.send(ctx, w); err != nil {
			return err
		}
	}
	if msg.Kind == handoff.End {
		w.out, w.sent = msg.Pos, true
		if err := r.out.End(ctx, msg.Pos.Lane); err != nil {
			return err
		}
	}
	r.hurry(border)
	return nil
}

// send sends a window and begins the next one of its lane.
func (r *windowing[T, S, B]) send(ctx context.Context, w *pane[S]) error {
	if err := r.out.Push(ctx, w.last, r.emit(w.state)); err != nil {
		return fmt.Errorf("output %v: %w", w.last, err)
	}
	*w = pane[S]{known: true, moved: true, at: w.at, sent: true, out: w.last}
	return nil
}

// hurry asks for a checkpoint if half of what the input may retain waits for it (rule 10), or if it is about to be made anyway
// and there is little to write, as right after the end of a window.
func (r *windowing[T, S, B]) hurry(border bool) {
	soon := border && time.Since(r.begun) >= r.p.conf.checkpoint/2
	if r.held >= r.p.conf.capacity/2 || soon {
		signal(r.due)
	}
}

// signal says something that need not be said twice.
func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// claim fences the store and only then reads where to go on, and with what (rule 5).
func (r *windowing[T, S, B]) claim(ctx context.Context, epoch fence.Epoch) (position.Vector, error) {
	r.epoch = epoch
	b, found, err := fenced(ctx, r.store, epoch)
	if err != nil || !found {
		return position.Vector{}, err
	}
	stored, err := decodeWindows(b)
	if err != nil {
		return position.Vector{}, err
	}
	if stored.n != uint64(r.n) {
		return position.Vector{}, fmt.Errorf("windows of %d items, where the checkpoint has windows of %d: a stage that has changed needs another name: %w",
			r.n, stored.n, api.ErrInvalid)
	}
	resume := position.Vector{}
	for _, lane := range stored.lanes {
		if err := r.restore(lane); err != nil {
			return position.Vector{}, fmt.Errorf("checkpoint: lane %d: %w: %w", lane.at.Lane, err, api.ErrCorrupt)
		}
		resume = resume.With(lane.at)
	}
	return beforeEnd(resume), nil
}

func (r *windowing[T, S, B]) restore(lane laneWindow) (err error) {
	if int(lane.at.Lane) >= len(r.panes) {
		return fmt.Errorf("the stage has lanes 0 to %d", len(r.panes)-1)
	}
	w := &r.panes[lane.at.Lane]
	w.known, w.at, w.items, w.last = true, lane.at, int(lane.items), lane.last
	if w.items > 0 {
		w.state, err = r.stateCodec.Decode(lane.state)
	}
	return err
}

// snapshot is what a checkpoint has, and what follows from it.
type snapshot struct {
	value []byte
	outs  position.Vector     // sent before: acknowledged before value is stored, which does not hold them
	taken []position.Position // taken in since the last one: acknowledged after value is stored, which holds them
}

// keep makes checkpoints, one after the other, and a last one when done is closed. It sleeps while nothing comes in.
func (r *windowing[T, S, B]) keep(ctx context.Context, done <-chan struct{}) error {
	for last := false; !last; {
		var err error
		if last, err = r.pause(ctx, done); err != nil {
			return err
		}
		s, err := r.look(ctx)
		if err != nil {
			return err
		}
		if len(s.taken) == 0 {
			continue
		}
		if err := r.save(ctx, s); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	return nil
}

// pause waits until a checkpoint is due; last says that it is the last one.
func (r *windowing[T, S, B]) pause(ctx context.Context, done <-chan struct{}) (last bool, err error) {
	select {
	case <-r.fresh:
	case <-done:
		return true, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	timer := time.NewTimer(r.p.conf.checkpoint)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.due:
	case <-done:
		return true, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	return false, nil
}

// save stores a snapshot. The order is what makes it safe: first the outputs that it does not hold are done, then it is durable,
// and only then what it was made of may be forgotten (rule 9).
func (r *windowing[T, S, B]) save(ctx context.Context, s snapshot) error {
	if planted.EarlyCheckpoint {
		if err := r.ack(s); err != nil {
			return err
		}
	}
	if err := waitAcked(ctx, r.out, s.outs); err != nil {
		return err
	}
	err := insist(ctx, RetryWaitDefault, func() error { return r.store.Put(ctx, r.epoch, s.value) })
	if errors.Is(err, api.ErrTooLarge) {
		return fmt.Errorf("%w: see CheckpointIn for a larger store", err)
	}
	if err != nil {
		return err
	}
	return r.ack(s)
}

func (r *windowing[T, S, B]) ack(s snapshot) error {
	for _, pos := range s.taken {
		if err := r.in.Ack(pos); err != nil {
			return err
		}
	}
	return nil
}

// look takes a snapshot.
func (r *windowing[T, S, B]) look(ctx context.Context) (s snapshot, err error) {
	if err := r.turn.enter(ctx); err != nil {
		return s, err
	}
	defer r.turn.leave()
	r.held, r.begun = 0, time.Now()
	all := windows{n: uint64(r.n)}
	for i := range r.panes {
		w := &r.panes[i]
		if !w.known {
			continue
		}
		if planted.TimedWindow && w.items > 0 {
			if err := r.send(ctx, w); err != nil {
				return s, err
			}
		}
		lane := laneWindow{at: w.at, items: uint64(w.items), last: w.last}
		if w.items > 0 {
			if lane.state, err = r.stateCodec.Append(nil, w.state); err != nil {
				return s, fmt.Errorf("checkpoint: lane %d: %w", i, err)
			}
		}
		all.lanes = append(all.lanes, lane)
		if w.moved {
			s.taken = append(s.taken, w.at)
			w.moved = false
		}
		if w.sent {
			s.outs = s.outs.With(w.out)
		}
	}
	s.value = all.append(nil)
	return s, nil
}

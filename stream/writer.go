package stream

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/internal/planted"
	"github.com/grafnode/grafnode/position"
)

// writer is the stage of a sink.
type writer[T any] struct {
	p     *Pipeline
	st    *stage
	sink  Sink[T]
	codec edge.Codec[T]
}

// writing is one instance of a writer.
type writing[T any] struct {
	*writer[T]
	in      *edge.Consumer[T]
	commit  *committer[T]
	letters *deadLetters
	lanes   laneEnds
	gaps    gaps
}

// delivery is a message, and why it could not be decoded.
type delivery[T any] struct {
	edge.Msg[T]
	err error
}

func (w *writer[T]) run(ctx, stop context.Context, before <-chan struct{}) error {
	from := w.st.ins[0]
	_, opts, err := w.p.claim(stop, w.st, map[string]string{from.name: codecID(w.codec)})
	if err != nil {
		return err
	}
	r := &writing[T]{writer: w, lanes: newLaneEnds(from.lanes)}
	r.in, err = edge.Consume[T](ctx, w.p.cl, from.name, append(opts, edge.UseCodec(w.codec), edge.Marks(), edge.ResumeFrom(r.claim))...)
	if err != nil {
		return err
	}
	defer detach(r.in)
	w.p.conf.events.started(w.p.fullName(w.st.name), r.in.Epoch())
	if err := r.run(ctx, stop); err != nil {
		return err
	}
	return linger(ctx, before, r.in)
}

// claim fences the stage's sinks and returns where to resume.
func (r *writing[T]) claim(ctx context.Context, epoch fence.Epoch) (position.Vector, error) {
	r.commit = &committer[T]{sink: r.sink, epoch: epoch, conf: r.st.conf}
	if err := r.commit.claim(ctx); err != nil {
		return position.Vector{}, err
	}
	letters, err := openDeadLetters(ctx, r.p, r.st, epoch)
	if err != nil {
		return position.Vector{}, err
	}
	r.letters = letters
	return beforeEnd(r.commit.committed()), nil
}

// beforeEnd returns v without the ends of lanes, but with everything before them. A sink that has it all still asks for the
// end marks: only their passing tells the stages before that they are done.
func beforeEnd(v position.Vector) position.Vector {
	ps := v.Positions()
	for i, p := range ps {
		if p.IsEndOfLane() {
			ps[i].Sub--
		}
	}
	return position.VectorOf(ps...)
}

func (r *writing[T]) run(ctx, stop context.Context) error {
	defer r.p.report(r.st, r.gaps.report, r.in.Stats)()
	g, ctx := errgroup.WithContext(ctx)
	stop, cancel := either(ctx, stop)
	defer cancel()
	// While one batch is being committed the next one is collected: in the queue, and then in batches.
	queue := make(chan delivery[T], r.st.conf.batch)
	g.Go(func() error {
		defer close(queue)
		return r.read(ctx, stop, queue)
	})
	g.Go(func() error {
		return batches(ctx, queue, r.st.conf.batch, r.st.conf.batchWait, r.flush)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if !r.lanes.all() {
		return errStopped
	}
	return nil
}

func (r *writing[T]) read(ctx, stop context.Context, queue chan<- delivery[T]) error {
	for {
		msg, more, err := pop(ctx, stop, r.in.Pop, &r.lanes)
		if err != nil && msg.Kind != handoff.Item || !more {
			return err
		}
		select {
		case queue <- delivery[T]{msg, err}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// flush commits a batch and acknowledges it.
func (r *writing[T]) flush(ctx context.Context, batch []delivery[T]) error {
	var upto position.Vector
	for i, m := range batch {
		if i+1 == len(batch) || batch[i+1].Pos.Lane != m.Pos.Lane {
			upto = upto.With(m.Pos)
		}
	}
	if planted.HastySink {
		if err := r.ack(upto); err != nil {
			return err
		}
	}
	committed, err := r.commitBatch(ctx, batch, upto)
	if err != nil {
		r.gaps.failed(err)
		return err
	}
	r.gaps.committed(committed)
	r.p.conf.events.committed(r.p.fullName(r.st.name), committed)
	return r.ack(upto)
}

func (r *writing[T]) ack(upto position.Vector) error {
	for _, p := range upto.Positions() {
		if err := r.in.Ack(p); err != nil {
			return err
		}
	}
	return nil
}

// commitBatch commits a batch at once or, if some item of it is to be turned away, item by item. It returns how many items
// the sink has taken.
func (r *writing[T]) commitBatch(ctx context.Context, batch []delivery[T], upto position.Vector) (int, error) {
	items := make([]Item[T], 0, len(batch))
	whole := true
	for _, m := range batch {
		whole = whole && m.err == nil
		if m.Kind == handoff.Item {
			items = append(items, Item[T]{Pos: m.Pos, Value: m.Value})
		}
	}
	if whole {
		err := r.commit.commit(ctx, items, upto)
		if err == nil || !errors.Is(err, ErrRejected) || r.letters == nil {
			return len(items), err
		}
	}
	return r.commitEach(ctx, batch, upto)
}

// commitEach goes through a batch in order, whatever is wrong with an item: each reject is durable in the dead letters before
// the sink's position passes it, and before any later reject, since a letter stands for all before it.
func (r *writing[T]) commitEach(ctx context.Context, batch []delivery[T], upto position.Vector) (n int, err error) {
	for _, m := range batch {
		if m.Kind != handoff.Item {
			continue
		}
		if err = m.err; err == nil {
			err = r.commit.commit(ctx, []Item[T]{{Pos: m.Pos, Value: m.Value}}, position.VectorOf(m.Pos))
		}
		switch {
		case err == nil:
			n++
		case m.err != nil:
			err = r.reject(ctx, m.Pos, nil, err)
		case errors.Is(err, ErrRejected):
			err = r.reject(ctx, m.Pos, m.Value, err)
		}
		if err != nil {
			return n, fmt.Errorf("item %v: %w", m.Pos, err)
		}
	}
	return n, r.commit.commit(ctx, nil, upto)
}

// reject makes an item durable in the dead letters.
func (r *writing[T]) reject(ctx context.Context, pos position.Position, v any, cause error) error {
	letter, fresh, err := r.letters.reject(pos, v, 1, cause)
	if err != nil || !fresh {
		return err
	}
	return r.letters.put(ctx, []Item[Rejected]{letter})
}

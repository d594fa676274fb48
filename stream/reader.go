package stream

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/position"
)

// reader is the stage of a source.
type reader[T any] struct {
	p     *Pipeline
	st    *stage
	src   Source[T]
	codec edge.Codec[T]
}

// reading is one instance of a reader.
type reading[T any] struct {
	*reader[T]
	out    *edge.Producer[T]
	cursor *cursor
	pushed position.Vector // the last of each lane, or what was acknowledged before
}

func (d *reader[T]) run(ctx, stop context.Context, _ <-chan struct{}) error {
	store, err := d.p.store(d.st.outs[0].name)
	if err != nil {
		return err
	}
	_, opts, err := d.p.claim(stop, d.st, map[string]string{d.st.outs[0].name: codecID(d.codec)})
	if err != nil {
		return err
	}
	out, err := edge.Produce[T](ctx, d.p.cl, d.st.outs[0].name, append(opts, edge.UseCodec(d.codec))...)
	if err != nil {
		return err
	}
	defer detach(out)
	r := &reading[T]{reader: d, out: out, cursor: &cursor{store: store, epoch: out.Epoch(), every: d.p.conf.checkpoint}}
	if r.pushed, err = r.cursor.claim(stop); err != nil {
		return err
	}
	d.p.conf.events.started(d.p.fullName(d.st.name), out.Epoch())
	return r.run(ctx, stop)
}

// run reads until the source ends or stop does, waits until all of that is acknowledged, and leaves the cursor there.
func (r *reading[T]) run(ctx, stop context.Context) error {
	defer r.p.report(r.st, nil, r.out.Stats)()
	g, both := errgroup.WithContext(ctx)
	stop, cancel := either(both, stop)
	defer cancel()
	following, finish := context.WithCancel(both)
	defer finish()
	ended := false
	g.Go(func() error { return r.cursor.follow(both, following, r.out.WaitAcked) })
	g.Go(func() (err error) {
		defer finish()
		if ended, err = r.read(both, stop); err != nil {
			return err
		}
		return waitAcked(both, r.out, r.pushed)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if err := r.cursor.leave(ctx, r.out.Acked()); err != nil {
		return err
	}
	if !ended {
		return errStopped
	}
	return nil
}

// read pushes what the source has, trying again after a failure as often as the stage may, and then its end.
func (r *reading[T]) read(ctx, stop context.Context) (ended bool, err error) {
	for try := 1; ; try++ {
		before := r.pushed
		err := r.readOnce(ctx, stop)
		switch {
		case ctx.Err() != nil: // stop has ended with it: that the source has no more means nothing
			return false, context.Cause(ctx)
		case stop.Err() != nil:
			return false, r.out.Flush()
		}
		var failed *sourceError
		if err == nil {
			break
		}
		if !errors.As(err, &failed) {
			return false, err
		}
		if !r.pushed.Equal(before) {
			try = 1 // it got on in between
		}
		if try > r.st.conf.retries {
			return false, err
		}
		if sleep(stop, retryWait(r.st.conf.retryWait, try)) != nil {
			return false, context.Cause(ctx)
		}
	}
	for lane := range position.Lane(r.st.outs[0].lanes) {
		if err := r.out.End(ctx, lane); err != nil {
			return false, err
		}
		r.pushed = r.pushed.With(position.EndOfLane(lane))
	}
	return true, r.out.Flush()
}

// sourceError is a failure of the source itself, which may be asked again.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return "source: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// readOnce pushes the items above what was pushed before. Push refuses one that lies below another of the same reading.
func (r *reading[T]) readOnce(ctx, stop context.Context) error {
	from := r.pushed
	for item, err := range r.src.Read(stop, from) {
		if err != nil {
			return &sourceError{err}
		}
		if int(item.Pos.Lane) >= r.st.outs[0].lanes {
			return fmt.Errorf("source: item %v: the stage has lanes 0 to %d: see Lanes", item.Pos, r.st.outs[0].lanes-1)
		}
		if from.Covers(item.Pos) {
			continue
		}
		if err := r.out.Push(ctx, item.Pos, item.Value); err != nil {
			return err
		}
		r.pushed = r.pushed.With(item.Pos)
		if stop.Err() != nil {
			return nil
		}
	}
	return nil
}

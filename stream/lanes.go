package stream

import (
	"context"
	"sync"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// laneEnds counts the lanes that have ended.
type laneEnds struct {
	ended []bool
	left  int
}

func newLaneEnds(lanes int) laneEnds { return laneEnds{ended: make([]bool, lanes), left: lanes} }

func (l *laneEnds) end(lane position.Lane) {
	if int(lane) < len(l.ended) && !l.ended[lane] {
		l.ended[lane] = true
		l.left--
	}
}

// all reports whether every lane has ended.
func (l *laneEnds) all() bool { return l.left == 0 }

// pop takes the next message by take; more is false once all lanes have ended or stop has. stop is looked at first: an edge
// gives what it has even when its context has ended. With an error that comes from one message, the message has its kind.
func pop[T any](
	ctx, stop context.Context, take func(context.Context) (edge.Msg[T], error), lanes *laneEnds,
) (msg edge.Msg[T], more bool, err error) {
	if lanes.all() {
		return msg, false, nil
	}
	if stop.Err() == nil {
		msg, err = take(stop)
	}
	switch {
	case ctx.Err() != nil:
		return msg, false, context.Cause(ctx)
	case stop.Err() != nil && msg.Kind == 0:
		return msg, false, nil
	case err == nil && msg.Kind == handoff.End:
		lanes.end(msg.Pos.Lane)
	}
	return msg, true, err
}

// linger keeps a stage that has ended attached until those before it have ended too, if any runs here: the last
// acknowledgement may be lost with its ring, and is given again in the next one only by somebody who is there.
func linger[T any](ctx context.Context, before <-chan struct{}, in *edge.Consumer[T]) error {
	if before == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		defer cancel()
		select {
		case <-before:
		case <-ctx.Done():
		}
	})
	for {
		_, err := in.Pop(ctx) // nothing comes after the ends of all lanes
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
	}
}

// either returns a context that ends with ctx or with stop.
func either(ctx, stop context.Context) (context.Context, context.CancelFunc) {
	both, cancel := context.WithCancelCause(ctx)
	release := context.AfterFunc(stop, func() { cancel(context.Cause(stop)) })
	return both, func() {
		release()
		cancel(nil)
	}
}

// detach closes a side of an edge without waiting for anything.
func detach(side interface{ Close(context.Context) error }) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = side.Close(ctx) // says only that something is unacknowledged: it will come again
}

package stream

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
)

// Window makes one output of every n items of a lane, and one of the rest when the lane ends. add takes an item into the window's
// state, which begins as the zero S; emit makes the output of it. Both must be deterministic; add may change the state
// that it is given. It takes UseCodec.
//
// An output has the position of its last item. Where windows begin and end depends on the items alone, not on time, and on no other
// lane: after a Merge, each of its inputs' lanes has windows of its own.
//
// The state of open windows is kept in a checkpoint, under the stage's epoch, in the registry or where CheckpointIn says, every
// Checkpoint while there is anything new. Until then what came in is not acknowledged; up to half of the input's Capacity waits for
// that, then a checkpoint is made at once. In it S is encoded by its edge.DefaultCodec: what that leaves out, as JSON does
// unexported fields, is lost in a takeover. State that is too large for its store ends the run; the registry takes
// durable.RegisterBytesMax.
func Window[T, S, B any](in Flow[T], name string, n int, add func(S, T) S, emit func(S) B, opts ...StageOption) Flow[B] {
	return windowed(in, name, &windower[T, S, B]{
		n: n, add: add, emit: emit, stateCodec: edge.DefaultCodec[S](), outCodec: edge.DefaultCodec[B](),
	}, opts)
}

// Batch makes one list of every n items of a lane, and one of the rest when the lane ends. It is a Window, whose state is
// the items: so they are encoded by the codec of their flow, in the checkpoint, and in the output unless UseCodec is given. A batch
// that is too large for an edge, of which an item may take a quarter, ends the run.
func Batch[T any](in Flow[T], name string, n int, opts ...StageOption) Flow[[]T] {
	list := listCodec[T]{in.codec}
	return windowed(in, name, &windower[T, []T, []T]{
		n:    n,
		add:  func(batch []T, v T) []T { return append(batch, v) },
		emit: func(batch []T) []T { return batch }, stateCodec: list, outCodec: list,
	}, opts)
}

func windowed[T, S, B any](in Flow[T], name string, w *windower[T, S, B], opts []StageOption) Flow[B] {
	p := in.p
	w.p, w.st, w.inCodec = p, p.add(name, []*link{in.link}, opts, "UseCodec"), in.codec
	w.outCodec = codecOf(p, w.st, w.outCodec)
	if w.n < 1 {
		p.wrong(name, "windows of %d items: at least 1", w.n)
	}
	w.st.run = w.run
	return Flow[B]{p, p.produce(w.st, p.fullName(name), in.link.lanes, in.link.depth), w.outCodec}
}

// windower is a stage with state.
type windower[T, S, B any] struct {
	p          *Pipeline
	st         *stage
	n          int
	add        func(S, T) S
	emit       func(S) B
	inCodec    edge.Codec[T]
	stateCodec edge.Codec[S]
	outCodec   edge.Codec[B]
}

// windowing is one instance of a windower. One goroutine takes what comes in, another makes checkpoints.
type windowing[T, S, B any] struct {
	*windower[T, S, B]
	in    *edge.Consumer[T]
	out   *edge.Producer[B]
	store durable.Store
	epoch fence.Epoch   // under which store is fenced: the consumer's
	lanes laneEnds      // of the goroutine that takes
	fresh chan struct{} // says that there is something for the next checkpoint
	due   chan struct{} // asks for it before its time

	turn  semaphore // of whoever uses what follows
	panes []pane[S] // by lane
	held  uint64    // bytes taken since the last checkpoint
	begun time.Time // of the last checkpoint
}

// pane is a lane and its open window.
type pane[S any] struct {
	known bool              // at is set
	moved bool              // at has, since the last checkpoint
	at    position.Position // last taken
	items int               // in the window
	last  position.Position // of these
	state S
	sent  bool              // out is set
	out   position.Position // last sent by this instance
}

func (w *windower[T, S, B]) run(ctx, stop context.Context, before <-chan struct{}) error {
	store, err := w.p.store(w.p.fullName(w.st.name))
	if err != nil {
		return err
	}
	from, to := w.st.ins[0], w.st.outs[0]
	_, opts, err := w.p.claim(stop, w.st, map[string]string{from.name: codecID(w.inCodec), to.name: codecID(w.outCodec)})
	if err != nil {
		return err
	}
	out, err := edge.Produce[B](ctx, w.p.cl, to.name, append(opts, edge.UseCodec(w.outCodec))...)
	if err != nil {
		return err
	}
	defer detach(out)
	r := &windowing[T, S, B]{
		windower: w, out: out, store: store, lanes: newLaneEnds(from.lanes),
		fresh: make(chan struct{}, 1), due: make(chan struct{}, 1), turn: newSemaphore(),
		panes: make([]pane[S], from.lanes), begun: time.Now(),
	}
	r.in, err = edge.Consume[T](ctx, w.p.cl, from.name, append(opts, edge.UseCodec(w.inCodec), edge.Marks(), edge.ResumeFrom(r.claim))...)
	if err != nil {
		return err
	}
	defer detach(r.in)
	w.p.conf.events.started(w.p.fullName(w.st.name), r.epoch)
	if err := r.run(ctx, stop); err != nil {
		return err
	}
	return linger(ctx, before, r.in)
}

// run works until all lanes have ended or stop has, and then until a last checkpoint holds what is left.
func (r *windowing[T, S, B]) run(ctx, stop context.Context) error {
	defer r.p.report(r.st, nil, r.out.Stats, r.in.Stats)()
	g, ctx := errgroup.WithContext(ctx)
	stop, cancel := either(ctx, stop)
	defer cancel()
	done := make(chan struct{})
	g.Go(func() error {
		if err := r.work(ctx, stop); err != nil {
			return err
		}
		close(done)
		return nil
	})
	g.Go(func() error { return r.keep(ctx, done) })
	if err := g.Wait(); err != nil {
		return err
	}
	if !r.lanes.all() {
		return errStopped
	}
	return nil
}

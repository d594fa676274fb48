package stream

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// transform appends an input's outputs to out.
type transform[A, B any] func(ctx context.Context, a A, out []B) ([]B, error)

// operator is a stage that takes one edge and produces one or, if it makes one output of an input, more.
type operator[A, B any] struct {
	p        *Pipeline
	st       *stage
	f        transform[A, B]
	children bool        // outputs are children of their input; else there is at most one, and it has its input's position
	route    func(B) int // the branch, of those that the stage produces, that an output goes to; or everyBranch
	inCodec  edge.Codec[A]
	outCodec edge.Codec[B]
}

// operation is one instance of an operator.
type operation[A, B any] struct {
	*operator[A, B]
	in      *edge.Consumer[A]
	outs    branches[B]
	letters *deadLetters
	log     *outputLog // nil: the stage is deterministic
	owed    *owed
	lanes   laneEnds
}

// result is what became of an input.
type result[A, B any] struct {
	msg   edge.Msg[A]
	out   []B
	tries int
	err   error

	undecoded bool
}

func (o *operator[A, B]) run(ctx, stop context.Context, before <-chan struct{}) error {
	from := o.st.ins[0]
	codecs := map[string]string{from.name: codecID(o.inCodec)}
	for _, to := range o.st.outs {
		codecs[to.name] = codecID(o.outCodec)
	}
	_, opts, err := o.p.claim(stop, o.st, codecs)
	if err != nil {
		return err
	}
	outs, err := produceAll[B](ctx, o.p, o.st, append(opts, edge.UseCodec(o.outCodec)))
	defer outs.detach()
	if err != nil {
		return err
	}
	opts = append(opts, edge.UseCodec(o.inCodec), edge.Marks())
	var log *outputLog
	if o.st.conf.log != nil {
		log = newOutputLog(o.st.conf.log)
		opts = append(opts, edge.ResumeFrom(log.claim))
	}
	in, err := edge.Consume[A](ctx, o.p.cl, from.name, opts...)
	if err != nil {
		return err
	}
	defer detach(in)
	letters, err := openDeadLetters(ctx, o.p, o.st, in.Epoch())
	if err != nil {
		return err
	}
	o.p.conf.events.started(o.p.fullName(o.st.name), in.Epoch())
	r := &operation[A, B]{operator: o, in: in, outs: outs, letters: letters, log: log, lanes: newLaneEnds(from.lanes)}
	if err := r.run(ctx, stop); err != nil {
		return err
	}
	return linger(ctx, before, in)
}

// run works until all lanes have ended or stop has, and then until all that was taken in is acknowledged.
func (r *operation[A, B]) run(ctx, stop context.Context) error {
	defer r.p.report(r.st, nil, append(r.outs.stats(), r.in.Stats)...)()
	g, ctx := errgroup.WithContext(ctx)
	settled, settle := context.WithCancel(ctx)
	defer settle()
	r.owed = newOwed(len(r.outs), r.in.Ack, settle)
	r.owed.rejects = r.letters.committed() // from an earlier life
	if r.log == nil {
		g.Go(func() error { return r.sendAll(ctx, stop) })
	} else {
		queue := make(chan result[A, B], BatchDefault)
		g.Go(func() error { return r.makeAll(ctx, stop, queue) })
		g.Go(func() error { return r.logAll(ctx, queue) })
	}
	g.Go(func() error {
		return r.letters.run(ctx, func() error { return r.owed.settleRejects(r.letters.committed()) })
	})
	for branch, out := range r.outs {
		g.Go(func() error {
			return follow(ctx, settled, out, func(acked position.Vector) error { return r.owed.settle(branch, acked) })
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if !r.lanes.all() {
		return errStopped
	}
	return nil
}

// sendAll works on what comes in, and sends what comes of it.
func (r *operation[A, B]) sendAll(ctx, stop context.Context) error {
	if r.letters != nil {
		defer r.letters.close()
	}
	if err := r.inOrder(ctx, stop, r.emit); err != nil {
		return err
	}
	r.owed.close()
	return r.outs.flush()
}

// makeAll works on what comes in, and gives what comes of it to logAll.
func (r *operation[A, B]) makeAll(ctx, stop context.Context, queue chan<- result[A, B]) error {
	defer close(queue)
	return r.inOrder(ctx, stop, func(ctx context.Context, in result[A, B]) error {
		if ctx.Err() != nil {
			return context.Cause(ctx) // the function may have failed for no other reason
		}
		select {
		case queue <- in:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
}

func (r *operation[A, B]) inOrder(ctx, stop context.Context, emit func(context.Context, result[A, B]) error) error {
	next := func(stop context.Context) (result[A, B], bool, error) { return r.next(ctx, stop) }
	return inOrder(ctx, stop, r.st.conf.workers, next, r.work, emit)
}

// next pops the next input. An input that cannot be decoded is one with an error.
func (r *operation[A, B]) next(ctx, stop context.Context) (result[A, B], bool, error) {
	msg, more, err := pop(ctx, stop, r.in.Pop, &r.lanes)
	if err != nil && msg.Kind == handoff.Item {
		return result[A, B]{msg: msg, err: err, undecoded: true}, true, nil
	}
	return result[A, B]{msg: msg}, more, err
}

// work makes an input's outputs, trying again as often as it may.
func (r *operation[A, B]) work(ctx context.Context, in result[A, B]) result[A, B] {
	if in.msg.Kind != handoff.Item || in.err != nil {
		return in
	}
	for {
		in.tries++
		in.out, in.err = r.f(ctx, in.msg.Value, in.out[:0])
		if in.err == nil || errors.Is(in.err, ErrRejected) || in.tries > r.st.conf.retries {
			return in
		}
		if sleep(ctx, retryWait(r.st.conf.retryWait, in.tries)) != nil {
			return in
		}
	}
}

// emit sends what became of an input, and then owes its acknowledgement.
func (r *operation[A, B]) emit(ctx context.Context, in result[A, B]) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // the function may have failed for no other reason
	}
	d, err := r.send(ctx, in)
	if err != nil {
		return err
	}
	return r.owed.add(d)
}

func (r *operation[A, B]) send(ctx context.Context, in result[A, B]) (debt, error) {
	pos := in.msg.Pos
	switch {
	case in.err != nil:
		return r.reject(ctx, in)
	case in.msg.Kind == handoff.End:
		return debt{in: pos, out: pos, branch: everyBranch}, r.outs.end(ctx, pos.Lane)
	case in.msg.Kind == handoff.Mark:
		return debt{in: pos, out: pos, branch: everyBranch}, r.outs.mark(pos)
	case len(in.out) == 0:
		return debt{in: pos, out: pos.End(), branch: everyBranch}, r.outs.mark(pos.End())
	}
	return r.push(ctx, in)
}

// push sends an input's outputs. If there are too many, or one is too large for the edge, the input is rejected, and nothing of
// it goes out. A stage with branches makes one output of an input.
func (r *operation[A, B]) push(ctx context.Context, in result[A, B]) (debt, error) {
	last, err := r.place(in.msg.Pos, len(in.out)-1)
	if err == nil {
		err = r.tooLarge(in)
	}
	if err != nil {
		in.err = err
		return r.reject(ctx, in)
	}
	branch := 0
	for k, v := range in.out {
		at, err := r.place(in.msg.Pos, k)
		if err != nil {
			return debt{}, err
		}
		branch = r.route(v)
		pushed, err := r.outs.push(ctx, branch, at, v)
		if k == 0 && pushed == 0 && errors.Is(err, fabric.ErrTooLarge) {
			in.err = err
			return r.reject(ctx, in)
		}
		if err != nil {
			return debt{}, fmt.Errorf("output %v: %w", at, err)
		}
	}
	return debt{in: in.msg.Pos, out: last, branch: branch}, nil
}

// tooLarge looks for an output, after the first, that is too large: Push finds that only when others are out. Nobody wants to
// know if a reject ends the stage anyway.
func (r *operation[A, B]) tooLarge(in result[A, B]) error {
	if r.letters == nil {
		return nil
	}
	for k, v := range in.out[1:] {
		at, err := r.place(in.msg.Pos, k+1)
		if err != nil {
			return err
		}
		if err := r.outs[0].Check(at, v); errors.Is(err, fabric.ErrTooLarge) {
			return err
		}
	}
	return nil
}

// place returns the position of output k of the input at pos.
func (r *operation[A, B]) place(pos position.Position, k int) (position.Position, error) {
	if !r.children {
		return pos, nil
	}
	return pos.Child(k)
}

func (r *operation[A, B]) reject(ctx context.Context, in result[A, B]) (debt, error) {
	var value any
	if !in.undecoded {
		value = in.msg.Value
	}
	pos := in.msg.Pos
	letter, fresh, err := r.letters.reject(pos, value, in.tries, in.err)
	if err != nil {
		return debt{}, err
	}
	if fresh {
		if err := r.letters.send(ctx, letter); err != nil {
			return debt{}, err
		}
	}
	return debt{in: pos, out: pos.End(), branch: everyBranch, rejected: true}, r.outs.mark(pos.End())
}

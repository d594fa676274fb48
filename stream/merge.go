package stream

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// Merge makes one flow of several, which may come from anywhere in the pipeline. It panics if there are none.
//
// Lanes stay apart: those of the first flow keep their numbers, those of the next follow on, and so on. So each lane has one
// position and keeps its order, whatever the order in which lanes are interleaved, which is that of arrival and differs from
// run to run. What follows must not depend on it: all operators here work lane by lane. The merged flow ends when all
// flows have ended; it may have position.LanesMax lanes, of BranchesMax flows. It has the codec of the first flow.
func Merge[T any](name string, flows ...Flow[T]) Flow[T] {
	if len(flows) == 0 {
		panic("stream: Merge of no flows")
	}
	p := flows[0].p
	m := &merger[T]{p: p, codec: flows[0].codec}
	var ins []*link
	lanes, depth := 0, 0
	for _, in := range flows {
		if in.p != p {
			p.wrong(name, "a flow of pipeline %s", in.p.name)
		}
		m.codecs = append(m.codecs, in.codec)
		m.bases = append(m.bases, position.Lane(lanes))
		ins = append(ins, in.link)
		lanes, depth = lanes+in.link.lanes, max(depth, in.link.depth)
	}
	m.st = p.add(name, ins, nil)
	if len(flows) > BranchesMax {
		p.wrong(name, "%d flows, at most %d", len(flows), BranchesMax)
	}
	if lanes > position.LanesMax {
		p.wrong(name, "%d lanes, at most %d", lanes, position.LanesMax)
	}
	m.st.run = m.run
	return Flow[T]{p, p.produce(m.st, p.fullName(name), lanes, depth), m.codec}
}

// merger is a stage that takes several edges.
type merger[T any] struct {
	p      *Pipeline
	st     *stage
	codecs []edge.Codec[T] // of the inputs
	bases  []position.Lane // by input: what is added to its lanes' numbers
	codec  edge.Codec[T]
}

// merging is one instance of a merger.
type merging[T any] struct {
	*merger[T]
	ins  []*edge.Consumer[T]
	owed []*owed   // by input
	ends laneEnds  // of the output
	turn semaphore // of whoever pushes, or looks at ends
	out  *edge.Producer[T]
}

func (m *merger[T]) run(ctx, stop context.Context, before <-chan struct{}) error {
	to := m.st.outs[0]
	codecs := map[string]string{to.name: codecID(m.codec)}
	for i, from := range m.st.ins {
		codecs[from.name] = codecID(m.codecs[i])
	}
	_, opts, err := m.p.claim(stop, m.st, codecs)
	if err != nil {
		return err
	}
	r := &merging[T]{merger: m, ends: newLaneEnds(to.lanes), turn: newSemaphore()}
	if r.out, err = edge.Produce[T](ctx, m.p.cl, to.name, append(opts, edge.UseCodec(m.codec))...); err != nil {
		return err
	}
	defer detach(r.out)
	for i, from := range m.st.ins {
		in, err := edge.Consume[T](ctx, m.p.cl, from.name, append(opts, edge.UseCodec(m.codecs[i]), edge.Marks())...)
		if err != nil {
			return err
		}
		defer detach(in)
		r.ins = append(r.ins, in)
	}
	m.p.conf.events.started(m.p.fullName(m.st.name), r.ins[0].Epoch())
	if err := r.run(ctx, stop); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, in := range r.ins {
		g.Go(func() error { return linger(ctx, before, in) })
	}
	return g.Wait()
}

// run works until all lanes of all inputs have ended or stop has, and then until all that was taken in is acknowledged.
func (r *merging[T]) run(ctx, stop context.Context) error {
	stats := []func() api.EdgeReport{r.out.Stats}
	g, ctx := errgroup.WithContext(ctx)
	stop, cancel := either(ctx, stop)
	defer cancel()
	settled, settle := context.WithCancel(ctx)
	defer settle()
	var left atomic.Int32 // inputs of which something may be owed: stored here, counted down by owed
	left.Store(int32(len(r.ins)))
	for _, in := range r.ins {
		stats = append(stats, in.Stats)
		r.owed = append(r.owed, newOwed(1, in.Ack, func() {
			if left.Add(-1) == 0 {
				settle()
			}
		}))
	}
	defer r.p.report(r.st, nil, stats...)()
	for i := range r.ins {
		g.Go(func() error { return r.pass(ctx, stop, i) })
	}
	g.Go(func() error {
		return follow(ctx, settled, r.out, func(acked position.Vector) error {
			for _, o := range r.owed {
				if err := o.settle(0, acked); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if !r.ends.all() {
		return errStopped
	}
	return nil
}

// pass passes on what comes by input i.
func (r *merging[T]) pass(ctx, stop context.Context, i int) error {
	lanes := newLaneEnds(r.st.ins[i].lanes)
	for {
		msg, more, err := pop(ctx, stop, r.ins[i].Pop, &lanes)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		to := msg.Pos
		to.Lane += r.bases[i]
		if err := r.send(ctx, msg, to); err != nil {
			return err
		}
		if err := r.owed[i].add(debt{in: msg.Pos, out: to}); err != nil {
			return err
		}
	}
	r.owed[i].close()
	return r.out.Flush()
}

// send sends a message on as at position to.
func (r *merging[T]) send(ctx context.Context, msg edge.Msg[T], to position.Position) error {
	if err := r.turn.enter(ctx); err != nil {
		return err
	}
	defer r.turn.leave()
	switch msg.Kind {
	case handoff.Mark:
		return r.out.Mark(to)
	case handoff.End:
		r.ends.end(to.Lane)
		return r.out.End(ctx, to.Lane)
	}
	if err := r.out.Push(ctx, to, msg.Value); err != nil {
		return fmt.Errorf("output %v: %w", to, err)
	}
	return nil
}

// semaphore is a lock that is waited for no longer than a context lasts: whoever has it may wait for room.
type semaphore chan struct{}

func newSemaphore() semaphore { return make(semaphore, 1) }

func (s semaphore) enter(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s semaphore) leave() { <-s }

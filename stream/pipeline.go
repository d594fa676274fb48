package stream

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/position"
)

// Pipeline is a description: building it starts nothing. It is built by one goroutine and may then be run by any number.
type Pipeline struct {
	cl     edge.Cluster
	name   string
	conf   config
	stages []*stage
	links  []*link
	errs   []error
}

// stage is one named operator.
type stage struct {
	name string
	ins  []*link // edges consumed; none: a source
	outs []*link // edges produced; none: a sink
	conf settings

	// run runs one instance of the stage, from its claim until its end: nil once all lanes are acknowledged, errStopped if it
	// was drained. stop ending means to read no more; ctx ending means to give up. before is closed when the stages before have
	// ended; nil if none of them runs here.
	run func(ctx, stop context.Context, before <-chan struct{}) error
}

// link is the edge between two stages.
type link struct {
	name  string // in the whole cluster
	from  *stage
	to    *stage // nil: nobody takes it yet
	lanes int    // that it carries, from 0
	depth int    // flat-maps up to here
}

// Flow is an output of a stage: what the next one takes. It is consumed once.
type Flow[T any] struct {
	p     *Pipeline
	link  *link
	codec edge.Codec[T]
}

// New begins the pipeline called name. Mistakes in the description are reported by Run.
func New(cl edge.Cluster, name string, opts ...Option) *Pipeline {
	p := &Pipeline{cl: cl, name: name, conf: config{
		capacity: edge.CapacityDefault, checkpoint: CheckpointDefault, drain: DrainDefault,
	}}
	for _, opt := range opts {
		opt(&p.conf)
	}
	if err := api.CheckEdgeName(name); err != nil {
		p.errs = append(p.errs, err)
	}
	return p
}

// Stages returns the names of the pipeline's stages, in the order of their description.
func (p *Pipeline) Stages() []string {
	names := make([]string, len(p.stages))
	for i, st := range p.stages {
		names[i] = st.name
	}
	return names
}

// Sources returns the names of the stages that begin a flow. When they have ended, all has.
func (p *Pipeline) Sources() []string {
	var names []string
	for _, st := range p.stages {
		if len(st.ins) == 0 {
			names = append(names, st.name)
		}
	}
	return names
}

// Edges returns the names of the edges between them, in that order.
func (p *Pipeline) Edges() []string {
	names := make([]string, len(p.links))
	for i, l := range p.links {
		names[i] = l.name
	}
	return names
}

func (p *Pipeline) wrong(stage, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("stage %s: %w", stage, fmt.Errorf(format, args...)))
}

// fullName is the name of a stage in the whole cluster, and of the edge that it produces if that is one.
func (p *Pipeline) fullName(stage string) string { return p.name + "." + stage }

// add describes a stage that takes ins.
func (p *Pipeline) add(name string, ins []*link, opts []StageOption, allowed ...string) *stage {
	st := &stage{name: name, ins: ins, conf: defaults()}
	for _, opt := range opts {
		opt(&st.conf)
	}
	if err := st.conf.validate(allowed...); err != nil {
		p.wrong(name, "%w", err)
	}
	if err := api.CheckEdgeName(p.fullName(name)); err != nil {
		p.wrong(name, "%w", err)
	}
	for _, other := range p.stages {
		if other.name == name {
			p.wrong(name, "another stage has that name")
		}
	}
	for _, in := range ins {
		if in.to != nil {
			p.wrong(name, "the output of %s goes to %s already, and can go to one stage only; see Broadcast", in.from.name, in.to.name)
		}
		in.to = st
	}
	p.stages = append(p.stages, st)
	return st
}

// produce describes an edge that st produces.
func (p *Pipeline) produce(st *stage, edgeName string, lanes, depth int) *link {
	out := &link{name: edgeName, from: st, lanes: lanes, depth: depth}
	for _, other := range p.links {
		if other.name == out.name && other.from.name != st.name {
			p.wrong(st.name, "stage %s has an edge %s too", other.from.name, out.name)
		}
	}
	st.outs = append(st.outs, out)
	p.links = append(p.links, out)
	return out
}

// From begins a flow: a stage that reads src. It takes Lanes, Retry and UseCodec.
func From[T any](p *Pipeline, name string, src Source[T], opts ...StageOption) Flow[T] {
	st := p.add(name, nil, opts, "Lanes", "Retry", "UseCodec")
	out := Flow[T]{p, p.produce(st, p.fullName(name), st.conf.lanes, 0), codecOf(p, st, edge.DefaultCodec[T]())}
	r := &reader[T]{p: p, st: st, src: src, codec: out.codec}
	st.run = r.run
	return out
}

// Map makes one output of each input.
func Map[A, B any](in Flow[A], name string, f func(context.Context, A) (B, error), opts ...StageOption) Flow[B] {
	return operate(in, name, false, edge.DefaultCodec[B](), opts, func(ctx context.Context, a A, out []B) ([]B, error) {
		b, err := f(ctx, a)
		return append(out, b), err
	})
}

// Filter passes on the inputs for which keep is true.
func Filter[T any](in Flow[T], name string, keep func(T) bool, opts ...StageOption) Flow[T] {
	return operate(in, name, false, in.codec, opts, func(_ context.Context, v T, out []T) ([]T, error) {
		if keep(v) {
			out = append(out, v)
		}
		return out, nil
	})
}

// FlatMap makes any number of outputs of each input. They are held until f has made all of them, so that of an input
// that fails nothing goes on. A pipeline has at most position.DepthMax flat-maps.
func FlatMap[A, B any](in Flow[A], name string, f func(context.Context, A) iter.Seq2[B, error], opts ...StageOption) Flow[B] {
	return operate(in, name, true, edge.DefaultCodec[B](), opts, func(ctx context.Context, a A, out []B) ([]B, error) {
		for b, err := range f(ctx, a) {
			if err != nil {
				return out, err
			}
			out = append(out, b)
		}
		return out, nil
	})
}

func operate[A, B any](
	in Flow[A], name string, children bool, codec edge.Codec[B], opts []StageOption, f transform[A, B],
) Flow[B] {
	p := in.p
	st := p.add(name, []*link{in.link}, opts, "Workers", "Retry", "DeadLetter", "LogOutputs", "UseCodec")
	depth := in.link.depth
	if children {
		depth++
		if depth > position.DepthMax {
			p.wrong(name, "%d flat-maps after one another, at most %d", depth, position.DepthMax)
		}
	}
	out := Flow[B]{p, p.produce(st, p.fullName(name), in.link.lanes, depth), codecOf(p, st, codec)}
	o := &operator[A, B]{
		p: p, st: st, f: f, children: children, inCodec: in.codec, outCodec: out.codec,
		route: func(B) int { return 0 },
	}
	st.run = o.run
	return out
}

// To ends a flow in a sink. It takes BatchOf, Retry and DeadLetter.
func To[T any](in Flow[T], name string, sink Sink[T], opts ...StageOption) {
	st := in.p.add(name, []*link{in.link}, opts, "BatchOf", "Retry", "DeadLetter")
	if !st.conf.used["Retry"] {
		st.conf.retries = RetriesDefault
	}
	w := &writer[T]{p: in.p, st: st, sink: sink, codec: in.codec}
	st.run = w.run
}

func codecOf[T any](p *Pipeline, st *stage, otherwise edge.Codec[T]) edge.Codec[T] {
	if st.conf.codec == nil {
		return otherwise
	}
	c, ok := st.conf.codec.(edge.Codec[T])
	if !ok {
		var v T
		p.wrong(st.name, "codec %T is not one for %T", st.conf.codec, v)
	}
	return c
}

// check reports all that is wrong with the description.
func (p *Pipeline) check() error {
	errs := p.errs
	for _, out := range p.links {
		if out.to == nil {
			errs = append(errs, fmt.Errorf("stage %s: its output goes nowhere (edge %s): end the flow with To", out.from.name, out.name))
		}
	}
	if len(p.stages) == 0 {
		errs = append(errs, errors.New("no stages"))
	}
	if len(errs) > 0 {
		return fmt.Errorf("pipeline %s: %w", p.name, errors.Join(errs...))
	}
	return nil
}

// store returns where the checkpoint called key is kept.
func (p *Pipeline) store(key string) (durable.Store, error) {
	if p.conf.stores != nil {
		return p.conf.stores(key), nil
	}
	if registry, ok := p.cl.(durable.Checkpoints); ok {
		return durable.NewRegister(registry, key), nil
	}
	return nil, fmt.Errorf("%T keeps no checkpoints: say where that of %s is to be kept with CheckpointIn", p.cl, key)
}

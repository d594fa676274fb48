package stream_test

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/streamtest"
)

func TestMistakesInTheDescription(t *testing.T) {
	cl := edgetest.New().Client("c")
	for want, build := range map[string]func(p *stream.Pipeline){
		"no stages":                        func(*stream.Pipeline) {},
		"stage a: its output goes nowhere": func(p *stream.Pipeline) { stream.From(p, "a", numbers(1)) },
		"another stage has that name": func(p *stream.Pipeline) {
			stream.To(stream.From(p, "a", numbers(1)), "a", &streamtest.Sink[int]{})
		},
		"goes to b already": func(p *stream.Pipeline) {
			f := stream.From(p, "a", numbers(1))
			stream.To(f, "b", &streamtest.Sink[int]{})
			stream.To(f, "c", &streamtest.Sink[int]{})
		},
		"option Workers has no use here": func(p *stream.Pipeline) { stream.From(p, "a", numbers(1), stream.Workers(2)) },
		"Workers(0)":                     func(p *stream.Pipeline) { stream.Map(stream.From(p, "a", numbers(1)), "b", double, stream.Workers(0)) },
		"is not one for int": func(p *stream.Pipeline) {
			stream.From(p, "a", numbers(1), stream.UseCodec[string](picky{}))
		},
		"4 flat-maps": func(p *stream.Pipeline) {
			again := func(context.Context, string) iter.Seq2[string, error] { return nil }
			f := stream.FlatMap(stream.From(p, "a", numbers(1)), "b", upTo)
			stream.FlatMap(stream.FlatMap(stream.FlatMap(f, "c", again), "d", again), "e", again)
		},
		"0 branches": func(p *stream.Pipeline) { stream.Broadcast(stream.From(p, "a", numbers(1)), "b", 0) },
		"edge p.b.1": func(p *stream.Pipeline) { stream.Broadcast(stream.From(p, "a", numbers(1)), "b", 2) },
		"stage b has an edge p.b.0 too": func(p *stream.Pipeline) {
			both := stream.Broadcast(stream.From(p, "a", numbers(1)), "b", 2)
			stream.Map(both[0], "b.0", double)
		},
		"windows of 0 items": func(p *stream.Pipeline) { stream.Batch(stream.From(p, "a", numbers(1)), "b", 0) },
		"option DeadLetter has no use": func(p *stream.Pipeline) {
			stream.Batch(stream.From(p, "a", numbers(1)), "b", 2, stream.DeadLetter(&streamtest.Sink[stream.Rejected]{}))
		},
		"DeadLetter has no use beside LogOutputs": func(p *stream.Pipeline) {
			stream.Map(stream.From(p, "a", numbers(1)), "b", double,
				stream.DeadLetter(&streamtest.Sink[stream.Rejected]{}), stream.LogOutputs(durable.NewRegister(nil, "x")))
		},
		"LogOutputs: no store": func(p *stream.Pipeline) {
			stream.Map(stream.From(p, "a", numbers(1)), "b", double, stream.LogOutputs(nil))
		},
		"a flow of pipeline q": func(p *stream.Pipeline) {
			other := stream.From(stream.New(cl, "q"), "a", numbers(1))
			stream.Merge("m", stream.From(p, "a", numbers(1)), other)
		},
		"256 lanes, at most 200": func(p *stream.Pipeline) {
			all := stream.From(p, "a", numbers(1))
			for _, name := range []string{"b", "c"} {
				all = stream.Merge(name+"m", stream.Broadcast(all, name, 16)...)
			}
		},
	} {
		p := stream.New(cl, "p")
		build(p)
		require.ErrorContains(t, p.Run(t.Context()), want)
	}
	p := stream.New(cl, "p")
	stream.To(stream.From(p, "a", numbers(1)), "b", &streamtest.Sink[int]{})
	require.ErrorContains(t, p.Run(t.Context(), stream.Stages("x")), `no stage "x"; it has a, b`)
	require.ErrorContains(t, p.Run(t.Context()), "CheckpointIn")
	require.Error(t, stream.New(cl, "no/slash").Run(t.Context()))
}

func TestCodecsMustAgree(t *testing.T) {
	w := newWorld(t)
	_, err := edge.Produce[string](t.Context(), w.client(), "p.ingest")
	require.NoError(t, err)
	var sink streamtest.Sink[int]
	p := stream.New(w.client(), "p", w.cursors())
	stream.To(stream.From(p, "ingest", numbers(1)), "store", &sink)
	require.ErrorIs(t, p.Run(t.Context(), stream.Stages("store")), api.ErrCodec)
}

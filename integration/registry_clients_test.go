package integration

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/integration/judge"
	"github.com/grafnode/grafnode/lease"
)

const (
	ringBytes = 64 << 10
	ringTerm  = lease.TTLMin
)

// groups are the edges that clients change: most alone, some by two and three, as those of one stage.
func groups() (all [][]string) {
	for i := range 18 {
		var g []string
		for j := range 1 + i%3*(i%2) {
			g = append(g, fmt.Sprintf("g%02d.%c", i, 'a'+j))
		}
		all = append(all, g)
	}
	return all
}

// worker is a stage process that takes over edges of others, and looks around, and an operator beside it. What it does follows
// from its seed and from what it is told.
type worker struct {
	number  int
	e       *ensemble
	own     *member
	rec     *history.Recorder
	random  *rand.Rand
	think   time.Duration // at most, between two calls
	groups  [][]string
	changed int

	c      *client.Client            // nil: its node was not there
	seen   map[string]api.Edge       // what it last knew of each edge
	leases []lease.ID                // that it has
	points map[string]api.Checkpoint // what it last knew
}

func newWorker(number int, e *ensemble, rec *history.Recorder, seed uint64, think time.Duration) *worker {
	return &worker{
		number: number, e: e, own: e.members[number%len(e.members)], rec: rec, random: rand.New(rand.NewPCG(seed, uint64(number))),
		think: think, groups: groups(), seen: map[string]api.Edge{}, points: map[string]api.Checkpoint{},
	}
}

// run makes one call after the other until ctx ends.
func (w *worker) run(ctx context.Context) {
	defer func() {
		if w.c != nil {
			w.c.Close()
		}
	}()
	for pass(ctx, time.Duration(w.random.Int64N(int64(w.think)))) {
		w.once(ctx)
	}
}

// once makes one call. The die is cast before anything that depends on answers, so that a seed is one sequence of calls.
func (w *worker) once(ctx context.Context) {
	dice, group, pick := w.random.IntN(100), w.groups[w.random.IntN(len(w.groups))], w.random.Uint64()
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	edge := group[pick%uint64(len(group))]
	switch {
	case dice < 26:
		w.look(ctx, group, pick)
		w.take(ctx, group, pick)
	case dice < 32:
		w.take(ctx, group, pick) // from what it knew
	case dice < 38:
		w.move(ctx, edge, pick)
	case dice < 41:
		w.remove(ctx, edge)
	case dice < 44:
		w.revokeRing(ctx, edge)
	case dice < 62:
		w.read(ctx, edge, pick)
	case dice < 70:
		w.look(ctx, group, pick)
	case dice < 76:
		w.past(ctx, edge, pick)
	case dice < 86:
		w.checkpoint(ctx, pick)
	case dice < 98:
		w.lease(ctx, pick)
	default:
		w.end()
	}
}

// somebody is any node, the own one more often than others.
func (w *worker) somebody(pick uint64) *member {
	if pick%3 == 0 {
		return w.own
	}
	return w.e.members[pick/3%uint64(len(w.e.members))]
}

// freshness is how fresh a read shall be.
func freshness(pick uint64) api.Consistency {
	return []api.Consistency{api.Default, api.Strict, api.Default, api.Stale}[pick/7%4]
}

func (w *worker) op(k history.Kind, m *member) history.Op {
	return history.Op{Client: w.number, Node: m.number, Kind: k}
}

// session returns the worker's client, with a session if one can be had.
func (w *worker) session(ctx context.Context) (*client.Client, lease.SessionID, error) {
	if w.c == nil {
		c, err := client.Dial(ctx, client.Config{
			Socket: w.own.socket, Stage: "worker", TTL: ringTerm, TryTimeout: tryFor,
			Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		})
		if err != nil {
			return nil, "", err
		}
		w.c, w.leases = c, nil
	}
	s, err := w.c.Session(ctx)
	return w.c, s.ID, err
}

// end ends the session, as a process does that dies.
func (w *worker) end() {
	if w.c != nil {
		w.c.Close()
		w.c = nil
	}
}

// look reads all edges of a group at once.
func (w *worker) look(ctx context.Context, group []string, pick uint64) {
	m, name := w.somebody(pick), judge.GroupOf(group[0])
	op := w.op(history.List, m)
	op.Group, op.Fresh = name, freshness(pick)
	op, err := w.rec.Call(op, func(op *history.Op) (err error) {
		op.Edges, err = m.api.Edges(ctx, name+".", op.Fresh)
		return err
	})
	if err != nil {
		return
	}
	for _, edge := range group {
		delete(w.seen, edge)
	}
	w.know(op.Edges)
}

func (w *worker) know(edges []api.Edge) {
	for _, e := range edges {
		w.seen[e.Name] = e
	}
}

// take takes a role of each edge of a group, or gives them other rings if it has the roles: one compare-and-set.
func (w *worker) take(ctx context.Context, group []string, pick uint64) {
	c, session, err := w.session(ctx)
	if err != nil {
		return
	}
	w.changed++
	tag := fmt.Sprintf("c%d-%d", w.number, w.changed)
	r := api.ChangeRequest{OpID: tag, Detail: tag, Session: session, Reason: api.ReasonTakeover}
	mine := true
	for _, edge := range group {
		e := w.seen[edge]
		mine = mine && (e.Producer.Session == session || e.Consumer.Session == session)
	}
	for _, edge := range group {
		ec := api.EdgeChange{Name: edge, Expect: w.seen[edge].Revision, Capacity: ringBytes, Codec: "c"}
		switch {
		case mine && pick%2 == 0:
			r.Reason = api.ReasonRingLost
		case pick%5 == 0:
			ec.TakeConsumer, ec.ConsumerStage = true, tag
		default:
			ec.TakeProducer, ec.ProducerStage = true, tag
		}
		r.Edges = append(r.Edges, ec)
	}
	op := w.op(history.Change, w.own)
	op.Tag, op.Change = tag, &r
	op, err = w.rec.Call(op, func(op *history.Op) (err error) {
		op.Edges, err = c.Change(ctx, r)
		return err
	})
	if err == nil {
		w.know(op.Edges)
	}
}

// move is an operator's planned move.
func (w *worker) move(ctx context.Context, edge string, pick uint64) {
	m := w.somebody(pick)
	op := w.op(history.Relocate, m)
	op.Edge = edge
	_, _ = w.rec.Call(op, func(op *history.Op) error {
		e, err := m.api.Relocate(ctx, edge, api.RelocateRequest{AtOnce: true}) // one change, as the history knows it
		op.Edges = one(e, err)
		return err
	})
}

// remove deletes an edge as it was last seen.
func (w *worker) remove(ctx context.Context, edge string) {
	expect := w.seen[edge].Revision
	if expect == 0 {
		return
	}
	op := w.op(history.Delete, w.own)
	op.Edge, op.Expect = edge, expect
	_, err := w.rec.Call(op, func(*history.Op) error { return w.own.api.DeleteEdge(ctx, edge, expect) })
	if err == nil {
		delete(w.seen, edge)
	}
}

// revokeRing takes back the ring that an edge was last seen to have.
func (w *worker) revokeRing(ctx context.Context, edge string) {
	id := lease.ID(w.seen[edge].Locator.Arena)
	if id == "" {
		return
	}
	op := w.op(history.Revoke, w.own)
	op.Lease = id
	_, _ = w.rec.Call(op, func(*history.Op) error { return w.own.api.RevokeLease(ctx, id, "") })
}

func (w *worker) read(ctx context.Context, edge string, pick uint64) {
	m := w.somebody(pick)
	op := w.op(history.Read, m)
	op.Edge, op.Fresh = edge, freshness(pick)
	op, err := w.rec.Call(op, func(op *history.Op) error {
		e, err := m.api.Edge(ctx, edge, op.Fresh)
		op.Edges = one(e, err)
		return err
	})
	if err == nil {
		w.know(op.Edges)
	}
}

func (w *worker) past(ctx context.Context, edge string, pick uint64) {
	m := w.somebody(pick)
	op := w.op(history.Past, m)
	op.Edge, op.Fresh = edge, api.Default
	_, _ = w.rec.Call(op, func(op *history.Op) (err error) {
		op.Past, err = m.api.History(ctx, edge)
		return err
	})
}

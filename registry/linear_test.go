package registry_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/state"
)

// input is a read, a compare-and-set of an edge's last operation, or a confirmation, which goes by the spare alone.
type input struct {
	edge     string
	read     bool
	from, to string
	confirms string // the operation that has armed the spare
	arms     bool
}

type output struct {
	is      held // reads
	refused bool
	unknown bool
}

// held is what the model's registers hold: an edge's last operation, and the one that has armed its spare.
type held struct{ op, spare string }

func heldBy(r state.Record) held {
	h := held{op: r.Op.ID}
	if s := r.Spare; s != nil {
		h.op = s.Op.ID // later: every other change does away with it
		if s.Lease != "" {
			h.spare = s.Op.ID
		}
	}
	return h
}

// apply returns what in makes of h; false: it is refused.
func (in input) apply(h held) (held, bool) {
	next := held{op: in.to}
	if in.arms {
		next.spare = in.to
	}
	if in.confirms != "" {
		return next, h.spare == in.confirms
	}
	return next, h.op == in.from
}

// model is one edge as a register that holds the names of the last change and of the one that armed its spare.
var model = porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		by := map[string][]porcupine.Operation{}
		for _, op := range history {
			edge := op.Input.(input).edge
			by[edge] = append(by[edge], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range by {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() []any { return []any{held{}} },
	Step: func(state, in, out any) []any {
		was, i, o := state.(held), in.(input), out.(output)
		next, takes := i.apply(was)
		switch {
		case i.read && o.is == was:
			return []any{was}
		case i.read:
			return nil
		case o.unknown && takes:
			return []any{was, next}
		case o.unknown || o.refused && !takes:
			return []any{was}
		case !o.refused && takes:
			return []any{next}
		default:
			return nil
		}
	},
}

// other is a second node, for spares.
const other locator.NodeID = "other"

// history collects what clients asked and were told.
type history struct {
	mu    sync.Mutex
	began time.Time
	ops   []porcupine.Operation
}

func (h *history) now() int64 { return int64(time.Since(h.began)) }

func (h *history) add(client int, in input, called int64, out output) {
	h.mu.Lock()
	defer h.mu.Unlock()
	returned := h.now()
	if out.unknown {
		returned = 1 << 62 // it may happen at any time from now on
	}
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: in, Call: called, Output: out, Return: returned})
}

// client reads and changes edges at random members, as often as told.
func (c *cluster) client(id int, h *history, times int, session lease.SessionID) {
	random := rand.New(rand.NewPCG(uint64(id), 1))
	modes := []api.Consistency{api.Strict, api.Default}
	for done := 0; done < times && time.Since(h.began) < patience; {
		m := c.members[random.IntN(len(c.members))]
		edge := []string{"p.x", "p.y"}[random.IntN(2)]
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		called := h.now()
		if m.Read(ctx, modes[random.IntN(2)]) != nil {
			cancel()
			continue // no answer, no effect
		}
		r, _ := m.State().Edge(edge)
		h.add(id, input{edge: edge, read: true}, called, output{is: heldBy(r)})

		cmd, in := takeBoth(edge, r, session)
		switch mine := r.Producer.Session == session; {
		case mine && random.IntN(8) > 0:
			cmd, in = spareOf(r, random)
		case !mine && r.Name != "" && random.IntN(4) > 0:
			cancel()
			continue // leave it to who has it, for a while
		}
		called = h.now()
		_, err := m.Apply(ctx, cmd)
		cancel()
		switch kind := api.ErrorOf(orNil(err)).Kind; {
		case err == nil:
			h.add(id, in, called, output{})
		case kind == api.KindConflict, kind == api.KindFenced: // also: of a spare whose edge was taken over
			h.add(id, in, called, output{refused: true})
		case kind == api.KindUnknown:
			h.add(id, in, called, output{unknown: true})
		case kind != api.KindNoQuorum: // that one had no effect
			panic(err)
		}
		done++
	}
}

// takeBoth makes s both sides of an edge.
func takeBoth(edge string, r state.Record, s lease.SessionID) (state.Command, input) {
	c := take(edge, r.Revision, s)
	c.Edges[0].TakeConsumer, c.Edges[0].ConsumerStage = true, "stage"
	return c, input{edge: edge, from: heldBy(r).op, to: c.Op}
}

// spareOf is what r's producer may say of its spare.
func spareOf(r state.Record, random *rand.Rand) (state.Command, input) {
	was := heldBy(r)
	c := state.ChangeSpare{Op: string(lease.NewID()), Session: r.Producer.Session, Edge: r.Name, Expect: r.Revision, Arm: true,
		Lease: lease.NewID(), Node: other, TTL: lease.TTLDefault, Reason: api.ReasonSpareArmed}
	in := input{edge: r.Name, from: was.op, to: c.Op, arms: true}
	ring := r.Node
	if was.spare != "" && random.IntN(4) > 0 {
		c.Confirm, in.confirms, ring = r.Spare.Generation, was.spare, r.Spare.Node
		c.Arm = random.IntN(2) == 0
		in.arms = c.Arm
	}
	if ring == other {
		c.Node = node
	}
	return c, in
}

func orNil(err error) error {
	if err == nil {
		return api.ErrInternal
	}
	return err
}

// Concurrent clients change two edges while leaders are cut off, deposed and restarted. Every answer that they got, strict
// and default reads included, must fit one order of events.
func TestConcurrentClientsSeeOneOrder(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	sessions := []lease.SessionID{"s0", "s1", "s2", "s3"}
	c.furnish(sessions...)
	toNewestLevel(c)
	c.apply(state.RegisterNode{Node: other, Address: "127.0.0.1:7001", Memory: 1 << 40})
	h := &history{began: time.Now()}
	var clients sync.WaitGroup
	for i, s := range sessions {
		clients.Go(func() { c.client(i, h, 120, s) })
	}
	quiet := make(chan struct{})
	go func() { clients.Wait(); close(quiet) }()
	for fault := 0; ; fault++ {
		select {
		case <-quiet:
			h.judge(t)
			for _, m := range c.gaveUp() {
				t.Logf("%s gave up: %v", m.id, <-m.fatal)
				c.restart(m)
			}
			c.agree()
			c.agreeWith(h)
			return
		case <-time.After(300 * time.Millisecond): // let some work be done between faults
		}
		if len(c.gaveUp()) > 0 {
			<-quiet // the two others are as few as there may be
			continue
		}
		leader := c.leader()
		if fault%2 == 0 {
			leader.wire.setCut(true)
			c.another(leader)
			leader.wire.setCut(false)
		} else {
			_ = leader.Transfer(c.within(), "") // may fail under way
		}
	}
}

// another waits until somebody else leads, or another has given up.
func (c *cluster) another(than *member) {
	require.Eventually(c.t, func() bool {
		return slices.ContainsFunc(c.members, func(m *member) bool { return m != than && (m.IsLeader() || len(m.fatal) > 0) })
	}, patience, 5*time.Millisecond)
}

// gaveUp returns whose process would have ended, to be started again: a starved leader's transfers can become stuck (hashicorp/raft#696).
func (c *cluster) gaveUp() (all []*member) {
	for _, m := range c.members {
		if len(m.fatal) > 0 {
			all = append(all, m)
		}
	}
	return all
}

func (h *history) judge(t *testing.T) {
	unknown, moves := 0, 0
	for _, op := range h.ops {
		in, out := op.Input.(input), op.Output.(output)
		if out.unknown {
			unknown++
		}
		if in.confirms != "" && !out.refused {
			moves++
		}
	}
	t.Logf("%d operations, %d of unknown outcome, %d confirmed moves", len(h.ops), unknown, moves)
	require.Positive(t, moves)
	result := porcupine.CheckOperationsTimeout(model.ToModel(), h.ops, patience)
	require.Equal(t, porcupine.Ok, result)
}

// agreeWith checks that each change that was confirmed got a generation of its own.
func (c *cluster) agreeWith(h *history) {
	confirmed := map[string]fence.Epoch{}
	for _, op := range h.ops {
		if in, out := op.Input.(input), op.Output.(output); !in.read && in.confirms == "" && !in.arms && !out.refused && !out.unknown {
			confirmed[in.edge]++
		}
	}
	for edge, n := range confirmed {
		r, _ := c.leader().State().Edge(edge)
		require.GreaterOrEqual(c.t, r.Generation, n)
	}
}

package registry_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

// input is a read, or a compare-and-set of an edge's last operation.
type input struct {
	edge     string
	read     bool
	from, to string
}

type output struct {
	op      string // reads: the last operation
	refused bool
	unknown bool
}

// model is one edge as a register that holds the name of the last change.
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
	Init: func() []any { return []any{""} },
	Step: func(state, in, out any) []any {
		was, i, o := state.(string), in.(input), out.(output)
		switch {
		case i.read && o.op == was:
			return []any{was}
		case i.read:
			return nil
		case o.unknown && was == i.from:
			return []any{was, i.to}
		case o.unknown || o.refused && was != i.from:
			return []any{was}
		case !o.refused && was == i.from:
			return []any{i.to}
		default:
			return nil
		}
	},
}

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
		h.add(id, input{edge: edge, read: true}, called, output{op: r.Op.ID})

		cmd := take(edge, r.Revision, session)
		in := input{edge: edge, from: r.Op.ID, to: cmd.Op}
		called = h.now()
		_, err := m.Apply(ctx, cmd)
		cancel()
		switch kind := api.ErrorOf(orNil(err)).Kind; {
		case err == nil:
			h.add(id, in, called, output{})
		case kind == api.KindConflict:
			h.add(id, in, called, output{refused: true})
		case kind == api.KindUnknown:
			h.add(id, in, called, output{unknown: true})
		case kind != api.KindNoQuorum: // that one had no effect
			panic(err)
		}
		done++
	}
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
			c.agree()
			c.agreeWith(h)
			return
		case <-time.After(300 * time.Millisecond): // let some work be done between faults
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

// another waits until somebody else leads.
func (c *cluster) another(than *member) {
	require.Eventually(c.t, func() bool {
		for _, m := range c.members {
			if m != than && m.IsLeader() {
				return true
			}
		}
		return false
	}, patience, 5*time.Millisecond)
}

func (h *history) judge(t *testing.T) {
	unknown := 0
	for _, op := range h.ops {
		if op.Output.(output).unknown {
			unknown++
		}
	}
	t.Logf("%d operations, %d of unknown outcome", len(h.ops), unknown)
	result := porcupine.CheckOperationsTimeout(model.ToModel(), h.ops, patience)
	require.Equal(t, porcupine.Ok, result)
}

// agreeWith checks that each change that was confirmed got a generation of its own.
func (c *cluster) agreeWith(h *history) {
	confirmed := map[string]fence.Epoch{}
	for _, op := range h.ops {
		if in, out := op.Input.(input), op.Output.(output); !in.read && !out.refused && !out.unknown {
			confirmed[in.edge]++
		}
	}
	for edge, n := range confirmed {
		r, _ := c.leader().State().Edge(edge)
		require.GreaterOrEqual(c.t, r.Generation, n)
	}
}

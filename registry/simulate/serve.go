package simulate

import (
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/state"
)

// answer is what became of a request. err wraps api.ErrUnavailable or api.ErrNoQuorum if it was certainly not carried out,
// api.ErrUnknown if nobody can say; any other is a refusal.
type answer struct {
	err     error
	result  state.Result
	index   uint64 // reads: up to where the state that answered was applied
	node    *node  // reads: whose
	life    uint32
	record  state.Record // reads: zero if there is none
	past    []api.Change // histories
	renewed map[leasebroker.Key]time.Duration
}

var (
	errAway    = fmt.Errorf("away: %w", api.ErrUnavailable)
	errSilence = fmt.Errorf("no answer: %w", api.ErrUnknown)
	errNoLead  = fmt.Errorf("no leader: %w", api.ErrNoQuorum)
	errOlder   = api.Errorf(api.KindUnsupported, "the cluster has an older voter")
	errLost    = fmt.Errorf("leadership lost: %w", api.ErrUnknown)
)

const callTimeout = 3 * time.Second

// call has a node do something for a process. done is called once while that lives, with the first answer or with silence.
// The request arrives at most once, and perhaps after
// the process has given it up.
func (w *World) call(from *process, to *node, what string, serve func(reply func(answer)), done func(answer)) {
	open := true
	once := func(a answer) {
		if open {
			open = false
			done(a)
		}
	}
	life, m := from.life, to.m
	if !to.up {
		from.after(w.delay(), "connection refused", to.who, func() { once(answer{err: errAway}) })
		return
	}
	w.sendOnce(from.m, &to.process, what, from.who, func() {
		serve(func(a answer) {
			if from.life == life {
				w.send(m, from, "answer", to.who, func() { once(a) })
			}
		})
	})
	from.w.plan(callTimeout, func() {
		if open { // an answered call's timeout is no step
			from.arrive(life, "timeout", to.who, func() { once(answer{err: errSilence}) })
		}
	})
}

// forward has the leader serve a request, if this node knows it.
func (n *node) forward(what string, serve func(l *node, reply func(answer)), reply func(answer)) {
	switch {
	case n.leads:
		serve(n, reply)
	case n.leader == nobody:
		reply(answer{err: errNoLead})
	default:
		l := n.w.nodes[n.leader]
		n.w.call(&n.process, l, what, func(reply func(answer)) { serve(l, reply) }, reply)
	}
}

// write is Registry.Apply: what the leader's handlers put into the log.
func (n *node) write(c state.Command, reply func(answer)) {
	if n.ready == 0 {
		reply(answer{err: errNoLead})
		return
	}
	n.propose(c, func(r state.Result, o outcome) {
		switch o {
		case applied:
			reply(answer{err: r.Err, result: r, index: n.applied})
		case notApplied:
			reply(answer{err: errNoLead})
		default:
			reply(answer{err: errLost})
		}
	})
}

// change is the leader's handler of changes: it finds places, which is all that the state machine cannot do.
func (n *node) change(c state.ChangeEdges, reply func(answer)) {
	edges := make([]state.EdgeChange, len(c.Edges))
	for i, ec := range c.Edges {
		ec.Lease, ec.Node = lease.ID(n.w.id("l")), n.place()
		edges[i] = ec
	}
	c.Edges = edges
	n.write(c, reply)
}

func (n *node) place() locator.NodeID { return n.w.nodes[n.w.rng.IntN(len(n.w.nodes))].id }

// get is a read of one edge.
func (n *node) get(name string, c api.Consistency, reply func(answer)) {
	n.read(c, func(ok bool) {
		if !ok {
			reply(answer{err: errNoLead})
			return
		}
		r, _ := n.state.Edge(name)
		reply(answer{record: r, index: n.applied, node: n, life: n.life})
	})
}

// history is a default read of an edge's past.
func (n *node) history(name string, reply func(answer)) {
	n.read(api.Default, func(ok bool) {
		if !ok {
			reply(answer{err: errNoLead})
			return
		}
		reply(answer{past: n.state.History(name)})
	})
}

// ask is a renewal that waits for the keeper's answer.
type ask struct {
	from  *node
	keys  []leasebroker.Key
	asked time.Duration // true time at which the asking node began to count
	reply func(answer)
}

// renew is the leader's handler of renewals: what is not the asking incarnation's is left out.
func (n *node) renew(from *node, incarnation uint64, keys []leasebroker.Key, asked time.Duration, reply func(answer)) {
	if known, _ := n.state.Node(from.id); known.Incarnation != incarnation {
		reply(answer{err: errNoLead})
		return
	}
	var own []leasebroker.Key
	for _, key := range keys {
		l, held := n.state.Lease(key.Lease)
		s, live := n.state.Session(key.Session)
		if held && l.Node == from.id && l.Incarnation == incarnation || live && s.Node == from.id && s.Incarnation == incarnation {
			own = append(own, key)
		}
	}
	n.ticket++
	n.asking[n.ticket] = ask{from, own, asked, reply}
	if n.keeper.Leading() != 0 {
		n.w.judge.heard(own)
	}
	n.keeperStep(func(at lease.Instant) leasebroker.Effects { return n.keeper.Renew(n.ticket, own, at) })
}

// answer passes a keeper's answer on.
func (n *node) answer(a leasebroker.Answer) {
	q, ok := n.asking[a.Ticket]
	if !ok {
		n.w.judge.object("node %d answered ticket %d twice", n.m.id, a.Ticket)
		return
	}
	delete(n.asking, a.Ticket)
	if a.Refused {
		n.w.Stats.Refused++
		q.reply(answer{err: errNoLead})
		return
	}
	for _, key := range q.keys {
		if d, ok := a.Granted[key]; ok {
			n.w.judge.acked(n, key, q.asked, q.from.m.clock.lasts(d))
		}
	}
	q.reply(answer{renewed: a.Granted})
}

package simulate

import (
	"bytes"
	"cmp"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/watchstream"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/node/group"
	"github.com/grafnode/grafnode/node/leaselog"
	"github.com/grafnode/grafnode/registry/state"
)

// node is a cluster node: its share of the log, the state, the keeper of lease time, and what it serves.
type node struct {
	process
	raft
	host

	id      locator.NodeID
	cluster string // as far as it knows; on disk
	level   uint64 // that its program knows
	rules   group.Rules
	state   *state.State
	keeper  *leasebroker.Keeper
	alarm   uint64        // of the keeper's one timer
	told    time.Duration // when the keeper hears of the last change of leadership
	asking  map[leasebroker.Ticket]ask
	ticket  leasebroker.Ticket
	rounds  []round
	round   uint64

	changes *watchstream.Log
	streams []*stream
}

func newNode(w *World, m *machine) *node {
	n := &node{process: process{w: w, m: m, who: uint64(m.id)}, id: locator.NodeID(fmt.Sprintf("n%d", m.id))}
	n.first, n.level = 1, 1
	n.snap.state = state.New()
	return n
}

// start begins a life: what is on disk, and nothing else.
func (n *node) start() {
	n.life++
	n.up, n.asleep = true, 0
	n.log = n.log[:min(uint64(len(n.log)), n.disk+1-n.first)]
	n.leads, n.leader, n.ready, n.futures = false, nobody, 0, nil
	n.flushing, n.applying = false, false
	n.contact = n.w.now
	n.commit, n.applied = n.snap.index, n.snap.index
	n.asking, n.rounds, n.told = map[leasebroker.Ticket]ask{}, nil, 0
	n.keeper = leasebroker.NewKeeper()
	n.changes, n.streams = watchstream.NewLog(10+n.w.rng.IntN(500), 1<<30), nil
	n.reset()
	n.load()
	n.regroup()
	n.patience()
	n.register()
	n.rules = group.Rules{}
	n.tend()
}

// kill ends the process. What it had not flushed is gone.
func (n *node) kill() {
	n.up = false
	n.w.Stats.Crashes++
	n.hangUpAll()
	for _, st := range n.streams {
		st.close(api.ErrUnavailable)
	}
}

// load reads the state from the snapshot's bytes. What led there is not known any more.
func (n *node) load() {
	defer func() { n.changes.Reset(n.state.Revision()) }()
	if n.snap.index == 0 {
		n.state = state.New()
		return
	}
	var b bytes.Buffer
	if err := n.snap.state.Write(&b); err != nil {
		n.w.judge.object("snapshot at %d cannot be written: %w", n.snap.index, err)
		return
	}
	s, err := state.Read(&b)
	if err != nil {
		n.w.judge.object("snapshot at %d cannot be read: %w", n.snap.index, err)
		return
	}
	n.state, n.cluster = s, s.Cluster()
	n.fresh()
}

// applyTo applies committed entries.
func (n *node) applyTo(index uint64) {
	for n.applied < index {
		e := n.log[n.applied+1-n.first]
		if e.restore != nil {
			n.restored(e)
			n.applied = e.index
			continue
		}
		before := n.state
		result := n.apply(e)
		n.changes.Append(n.state.Revision(), state.ChangesOf(before, n.state, e.entry(), result)...)
		n.applied = e.index
		n.w.judge.applied(n, e, before, result)
		a := leaselog.Applied(e.index, e.term, e.command, result)
		a.At = n.m.now()
		n.keeper.Applied(a)
		n.noticed(e, result)
		for len(n.futures) > 0 && n.futures[0].index <= e.index {
			f := n.futures[0]
			n.futures = n.futures[1:]
			f.done(result, applied)
		}
	}
	n.cluster = cmp.Or(n.state.Cluster(), n.cluster)
	if n.state.Level() > n.level {
		n.w.judge.object("node %d knows level %d of a state that is at %d", n.m.id, n.level, n.state.Level())
	}
	n.arm()
	n.wake()
	n.settleRounds()
	if n.w.chance(3) || uint64(len(n.log)) > 2000 {
		n.snapshot()
	}
}

// apply gives the state after e. Step is pure, so what it did to the same state before holds.
func (n *node) apply(e *entry) state.Result {
	if e.from == n.state {
		n.state = e.to
		return e.result
	}
	from := n.state
	to, result := e.step(from)
	if e.from == nil {
		e.from, e.to, e.result = from, to, result
	}
	n.state = to
	return result
}

func (e *entry) step(s *state.State) (*state.State, state.Result) {
	return s.Step(e.entry())
}

func (e *entry) entry() state.Entry {
	return state.Entry{Index: e.index, Term: e.term, Proposed: e.proposed, Command: e.command}
}

// tellKeeper brings the keeper the news of a leadership, zero: of its end, a little later and in order.
func (n *node) tellKeeper(term uint64) {
	n.told = max(n.told+1, n.w.now+n.w.delay())
	n.after(n.told-n.w.now, "leadership", term, func() {
		switch {
		case term == 0:
			n.keeperStep(func(lease.Instant) leasebroker.Effects { return n.keeper.LostLeadership() })
		case n.ready == term:
			n.keeperStep(func(at lease.Instant) leasebroker.Effects {
				return n.keeper.BecameLeader(term, leaselog.Snapshot(n.state), at)
			})
		}
	})
}

// keeperStep runs one step of the keeper and does what it asks for.
func (n *node) keeperStep(f func(at lease.Instant) leasebroker.Effects) {
	n.perform(f(n.m.now()))
	n.arm()
}

// arm sets the keeper's one timer. Timers do not count the time that a machine is suspended, which is why they may be late.
func (n *node) arm() {
	n.alarm++
	alarm := n.alarm
	next, ok := n.keeper.Next()
	if !ok {
		return
	}
	wait := max(0, next.Sub(n.m.now())) + 10*time.Microsecond
	life := n.life
	n.w.plan(wait, func() {
		if n.alarm == alarm { // an alarm that was set anew is no step
			n.arrive(life, "tick", 0, func() {
				if n.alarm == alarm {
					n.keeperStep(n.keeper.Tick)
				}
			})
		}
	})
}

// perform does what the keeper wants done, as leasebroker.Runner does.
func (n *node) perform(e leasebroker.Effects) {
	for _, a := range e.Answers {
		n.answer(a)
	}
	if number := e.Round; number != 0 {
		term := n.keeper.Leading()
		n.quorum(func(ok bool) {
			ok = ok && n.term == term
			n.after(n.w.delay(), "confirmed", number, func() {
				n.keeperStep(func(at lease.Instant) leasebroker.Effects { return n.keeper.QuorumRound(number, ok, at) })
			})
		})
	}
	if p := e.Allowance; p != nil {
		n.w.Stats.Allowances++
		n.proposeFor(p, leaselog.Allowance(p.Term, p.Seen), n.keeper.AllowanceDone)
	}
	if p := e.Expire; p != nil {
		n.proposeFor(p, leaselog.Expire(p.Term, p.Seen), n.keeper.ExpireDone)
	}
}

type done func(uint64, leasebroker.Outcome, lease.Instant) leasebroker.Effects

// proposeFor puts a keeper's proposal into the log, some time after it was made, and reports what became of it.
func (n *node) proposeFor(p *leasebroker.Proposal, c state.Command, done done) {
	number := p.Number
	n.after(n.hesitation(), "keeper proposes", number, func() {
		n.propose(c, func(_ state.Result, o outcome) {
			if o == applied && n.w.net.rough && n.w.chance(20) {
				o = unknown // its context had ended
			}
			n.after(n.w.delay(), "keeper told", number, func() {
				n.keeperStep(func(at lease.Instant) leasebroker.Effects { return done(number, keeperOutcome(o), at) })
			})
		})
	})
}

func keeperOutcome(o outcome) leasebroker.Outcome {
	switch o {
	case applied:
		return leasebroker.OutcomeApplied
	case notApplied:
		return leasebroker.OutcomeNotApplied
	default:
		return leasebroker.OutcomeUnknown
	}
}

// hesitation is how long a keeper's goroutine takes to get to the log: sometimes a leadership or two, most of all where much has
// piled up because the process was stopped.
func (n *node) hesitation() time.Duration {
	if n.w.net.rough && n.w.chance(20) || n.w.now-n.asleep < time.Second && n.w.chance(500) {
		return n.w.between(500*time.Millisecond, 5*time.Second)
	}
	return n.w.delay()
}

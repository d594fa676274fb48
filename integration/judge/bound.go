package judge

import (
	"slices"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/integration/nemesis"
	"github.com/grafnode/grafnode/lease"
)

const (
	// enforceSteps is how many changes a leader may carry out, one after the other, before an end that is due: the end must not
	// wait behind them, but the first of them may have been on their way.
	enforceSteps = 8
	// enforceGrace is time on top of that: a leader whose proposal failed makes the next after a quarter of a second.
	enforceGrace = 500 * time.Millisecond
)

// outlived checks that no session outlives its bound (package leasebroker): a term after the last renewal was heard, or a term and
// a quarter after its leader had taken over. It is judged only where the history shows that one leader was at work at the bound
// and behind it.
func outlived(fs *findings, h *history.History) {
	signs := signsOfLife(h)
	for _, b := range bounds(h) {
		if last := signs[b.session]; b.over < last {
			fs.add("leases", "session %s was alive %v after its bound, although node %d led term %d and carried out changes",
				b.session, last.Sub(b.due), b.leader.node, b.leader.term)
		}
	}
}

// bound is by when a session that fell silent had to be over, for one leader at least was at work.
type bound struct {
	session lease.SessionID
	leader  reign
	due     lease.Instant // the bound itself
	over    lease.Instant // when the leader had done other work since
}

// Bounded returns how many silences there were at whose end the history shows that the session had to be over.
func Bounded(h *history.History) int { return len(bounds(h)) }

func bounds(h *history.History) (all []bound) {
	leaders, done := reigns(h.Samples), worked(h)
	for _, held := range h.Holdings {
		for i, beat := range held.Beats {
			next := forever
			if i+1 < len(held.Beats) {
				next = held.Beats[i+1].Sent
			}
			if beat.Heard == 0 || held.Term == 0 || next < beat.Heard.Add(2*held.Term) {
				continue
			}
			if b := boundOf(h, leaders, done, held, beat); b.over < next {
				all = append(all, b)
			}
		}
	}
	return all
}

// boundOf returns the first bound that a leader had to see to if nothing was heard after a beat; over is forever if there is none.
func boundOf(h *history.History, leaders []reign, done []history.Op, held history.Holding, beat history.Beat) bound {
	first := bound{over: forever}
	for _, r := range leaders {
		due := max(r.heard(h, held, beat).Add(held.Term), r.after(done, r.from, enforceSteps).Add(lease.Allowance(held.Term)))
		if over := r.after(done, due.Add(enforceGrace), enforceSteps); over < first.over {
			first = bound{held.Session, r, due, over}
		}
	}
	return first
}

// heard returns when the last renewal that a beat led to can have reached the leader. A node renews a silent session for two
// thirds of a term, and waits a third for the answer. What was stopped takes it in when it goes on; what a network held back comes
// when it is whole again, and if it has to be sent again perhaps as much later as it was broken.
func (r reign) heard(h *history.History, held history.Holding, beat history.Beat) lease.Instant {
	at := beat.Heard.Add(held.Term)
	for again := true; again; {
		again = false
		for _, b := range h.Breaks {
			if b.From > at || b.To < beat.Sent {
				continue
			}
			late := at
			switch b.Kind {
			case nemesis.Stop:
				if slices.Contains(b.Nodes, held.Node) || slices.Contains(b.Nodes, r.node) {
					late = b.To.Add(held.Term)
				}
			case nemesis.Cut, nemesis.OneWay, nemesis.Ring, nemesis.Flap:
				late = b.To.Add(b.To.Sub(b.From) + held.Term)
			}
			if late > at {
				at, again = late, true
			}
		}
	}
	return at
}

// signsOfLife returns the last instant at which each session can be shown to have lived.
func signsOfLife(h *history.History) map[lease.SessionID]lease.Instant {
	last := map[lease.SessionID]lease.Instant{}
	sign := func(id lease.SessionID, at lease.Instant) {
		if id != "" {
			last[id] = max(last[id], at)
		}
	}
	for _, op := range h.Ops {
		if op.Outcome != history.Applied || op.Fresh == api.Stale {
			continue
		}
		for _, id := range op.Sessions {
			sign(id, op.Call)
		}
		switch op.Kind {
		case history.Read, history.List:
			for _, e := range op.Edges {
				sign(e.Producer.Session, op.Call)
				sign(e.Consumer.Session, op.Call)
			}
		case history.Change:
			sign(op.Change.Session, op.Call)
		case history.Acquire:
			sign(op.Session, op.Call)
		}
	}
	for _, held := range h.Holdings {
		for _, told := range held.Told { // the renewal was asked for at most a term before the deadline
			sign(held.Session, told.Deadline.Add(-held.Term))
		}
	}
	return last
}

// enforced checks that nothing is done under a session any more once somebody has seen that it is over, and that its leases went
// with it.
func enforced(fs *findings, h *history.History, gone map[lease.SessionID]lease.Instant) {
	owner := map[lease.ID]lease.SessionID{}
	for _, op := range h.Ops {
		if op.Kind == history.Acquire && op.Grant != nil && op.Ask.Name == "" {
			owner[op.Grant.ID] = op.Session
		}
	}
	over := func(id lease.SessionID, at lease.Instant) bool {
		seen, is := gone[id]
		return is && seen < at
	}
	for _, op := range h.Ops {
		session := op.Session
		if op.Kind == history.Change {
			session = op.Change.Session
		}
		if op.Outcome != history.Applied || op.Fresh == api.Stale {
			continue
		}
		if (op.Kind == history.Change || op.Kind == history.Acquire) && over(session, op.Call) {
			fs.add("leases", "client %d was told that its %s was carried out under session %s, %v after its end", op.Client, op.Kind, session, op.Call.Sub(gone[session]))
		}
		for _, id := range op.Sessions {
			if over(id, op.Call) {
				fs.add("leases", "session %s is there %v after its end", id, op.Call.Sub(gone[id]))
			}
		}
		for _, id := range op.Leases {
			if over(owner[id], op.Call) {
				fs.add("leases", "lease %s is there %v after the end of its session %s", id, op.Call.Sub(gone[owner[id]]), owner[id])
			}
		}
	}
}

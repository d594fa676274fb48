package judge

import (
	"slices"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/lease"
)

// judgeLeases checks lease time from the holders' side, and the life of leases outside edges.
func judgeLeases(h *history.History, ix *index) findings {
	var fs findings
	gone := departures(h)
	for _, held := range h.Holdings {
		ended, at := ix.edge(held.Edge).endOf(held.Session)
		if ended != nil {
			neverEarly(&fs, held, at)
		}
		if at, ok := gone[held.Session]; ok {
			neverEarly(&fs, held, at)
		}
	}
	outlived(&fs, h)
	enforced(&fs, h, gone)
	epochs(&fs, h)
	lives := livesOf(h)
	for _, op := range h.Ops {
		if op.Kind == history.Leases && op.Fresh != api.Stale {
			for _, l := range lives {
				l.check(&fs, op)
			}
		}
	}
	return fs
}

// departures returns when each session was first seen to be gone, as watches told, and lists that lack who was there.
func departures(h *history.History) map[lease.SessionID]lease.Instant {
	gone := map[lease.SessionID]lease.Instant{}
	see := func(id lease.SessionID, at lease.Instant) {
		if was, ok := gone[id]; !ok || at < was {
			gone[id] = at
		}
	}
	for _, s := range h.Streams {
		for _, line := range s.Seen {
			if e := line.Event; e.Session != nil && e.Deleted {
				see(e.Session.ID, line.At)
			}
		}
	}
	for _, op := range h.Ops {
		if op.Kind != history.Sessions || op.Fresh == api.Stale {
			continue
		}
		for _, held := range h.Holdings {
			if len(held.Told) > 0 && held.Told[0].At < op.Call && !slices.Contains(op.Sessions, held.Session) {
				see(held.Session, op.Return)
			}
		}
	}
	return gone
}

// neverEarly checks that nobody saw the session ended before a deadline that its holder was told, whenever that was: neither did
// it end early, nor was it renewed after its end. A holder that hangs up ends it itself; if somebody else ends it, no deadline counts
// but one that must have been asked for later.
func neverEarly(fs *findings, held history.Holding, seen lease.Instant) {
	if held.Closed != 0 && held.Closed <= seen {
		return
	}
	for _, told := range held.Told {
		if held.Ended != 0 && told.Deadline.Add(-held.Term) <= seen {
			continue
		}
		if seen < told.Deadline {
			fs.add("leases", "session %s on node %d was seen ended %v before the deadline that its holder was told",
				held.Session, held.Node, told.Deadline.Sub(seen))
			return
		}
	}
}

// endOf returns the state that shows that the producer's session has ended, and when that was first seen.
func (tl *timeline) endOf(session lease.SessionID) (*state, lease.Instant) {
	held := false
	var epoch fence.Epoch
	for _, r := range tl.order {
		s := tl.states[r]
		switch e := s.record; {
		case e == nil:
		case e.Producer.Session == session:
			held, epoch = true, e.Producer.Epoch
		case held && e.Producer.Free() && e.Producer.Epoch == epoch:
			return s, s.first
		}
	}
	return nil, 0
}

// epochs checks that no two grants of a region share an epoch, and that later grants have higher ones.
func epochs(fs *findings, h *history.History) {
	by := map[string][]*history.Op{}
	seen := map[lease.ID]map[fence.Epoch]lease.SessionID{}
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Kind != history.Acquire || op.Grant == nil {
			continue
		}
		g := op.Grant
		if seen[g.ID] == nil {
			seen[g.ID] = map[fence.Epoch]lease.SessionID{}
		}
		if was, ok := seen[g.ID][g.Epoch]; ok {
			fs.add("leases", "lease %s has two holders of epoch %d, sessions %s and %s", g.ID, g.Epoch, was, op.Session)
		}
		seen[g.ID][g.Epoch] = op.Session
		if op.Ask.Name != "" {
			by[op.Ask.Name] = append(by[op.Ask.Name], op)
		}
	}
	for name, grants := range by {
		for _, a := range grants {
			for _, b := range grants {
				if a.Return < b.Call && a.Grant.Epoch >= b.Grant.Epoch {
					fs.add("leases", "region %s was granted under epoch %d after it had been under %d", name, b.Grant.Epoch, a.Grant.Epoch)
				}
			}
		}
	}
}

// life is a lease outside edges: from when it was granted, surely, and from when it was given up, perhaps and surely.
type life struct {
	id      lease.ID
	granted lease.Instant // confirmed then
	sure    lease.Instant // until then it lasts, unless it is given up: its term counts from the request
	perhaps lease.Instant // giving it up began
	over    lease.Instant // giving it up was confirmed
}

func livesOf(h *history.History) []life {
	by := map[lease.ID]*life{}
	for _, op := range h.Ops {
		if op.Kind == history.Acquire && op.Grant != nil && op.Ask.Name == "" {
			l := &life{id: op.Grant.ID, granted: op.Return, perhaps: forever, over: forever}
			l.sure = sessionUntil(h, op.Session, op.Call.Add(op.Grant.TTL))
			by[l.id] = l
		}
	}
	for _, op := range h.Ops {
		if l := by[op.Lease]; l != nil && (op.Kind == history.Release || op.Kind == history.Revoke) {
			l.perhaps = min(l.perhaps, op.Call)
			if op.Outcome == history.Applied {
				l.over = min(l.over, op.Return)
			}
		}
	}
	var all []life
	for _, l := range by {
		all = append(all, *l)
	}
	return all
}

// sessionUntil returns until when a session surely lasted, at most limit: the highest deadline that its holder was told by then.
func sessionUntil(h *history.History, id lease.SessionID, limit lease.Instant) lease.Instant {
	at := slices.IndexFunc(h.Holdings, func(held history.Holding) bool { return held.Session == id })
	if at < 0 {
		return 0 // nobody knows
	}
	held, last := h.Holdings[at], lease.Instant(0)
	for _, told := range held.Told {
		last = max(last, told.Deadline)
	}
	if held.Closed != 0 {
		last = min(last, held.Closed)
	}
	return min(last, limit)
}

// check holds a list of leases against what is known of one.
func (l life) check(fs *findings, list history.Op) {
	there := slices.Contains(list.Leases, l.id)
	switch {
	case there && l.over < list.Call:
		fs.add("leases", "lease %s is there %v after its end was confirmed", l.id, list.Call.Sub(l.over))
	case !there && l.granted < list.Call && list.Return < min(l.sure, l.perhaps):
		fs.add("leases", "lease %s is gone %v before its deadline", l.id, l.sure.Sub(list.Return))
	}
}

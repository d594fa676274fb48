package judge

import (
	"testing"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/lease"
)

func TestSessionEndsEarly(t *testing.T) {
	var s script
	s.change(history.Applied, 0, a1)
	s.read(freed(a1, 15)) // returns at 4
	s.h.Holdings = []history.Holding{{Session: "st1", Edge: "a.x", Told: []history.Told{{At: 1, Deadline: 4}}}}
	s.right(t)
	s.h.Holdings[0].Told = append(s.h.Holdings[0].Told, history.Told{At: 9, Deadline: 12}) // renewed when it had ended
	s.wrong(t, "leases")
	s.h.Holdings[0].Closed = 3
	s.right(t)
}

func TestLeaseLives(t *testing.T) {
	var s script
	s.now = 10
	s.add(history.Op{Kind: history.Acquire, Outcome: history.Applied, Session: "s", Ask: &lease.Request{}, Grant: &lease.Grant{ID: "l", TTL: 100}})
	s.h.Holdings = []history.Holding{{Session: "s", Edge: "h.x", Told: []history.Told{{At: 1, Deadline: 50}}}}
	list := history.Op{Kind: history.Leases, Outcome: history.Applied, Fresh: api.Default}
	with := list
	with.Leases = []lease.ID{"l"}
	s.add(with)
	release := s.add(history.Op{Kind: history.Release, Outcome: history.Applied, Lease: "l", Session: "s"})
	s.add(list)
	s.right(t)
	release.Kind = history.Acquire // it was not
	release.Ask = &lease.Request{}
	s.wrong(t, "leases")
	s.h.Ops[2].Kind = history.Release
	s.add(with)
	s.wrong(t, "leases")
}

func TestRegionEpochs(t *testing.T) {
	var s script
	ask := &lease.Request{Kind: lease.KindBlock, Name: "r"}
	for i, session := range []lease.SessionID{"s1", "s2"} {
		s.add(history.Op{Kind: history.Acquire, Outcome: history.Applied, Session: session, Ask: ask,
			Grant: &lease.Grant{ID: "l", Epoch: fence.Epoch(i + 1)}})
	}
	s.right(t)
	s.h.Ops[1].Grant.Epoch = 1
	s.wrong(t, "leases")
}

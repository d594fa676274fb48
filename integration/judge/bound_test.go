package judge

import (
	"fmt"
	"testing"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/integration/nemesis"
	"github.com/grafnode/grafnode/lease"
)

func ms(n int) lease.Instant { return lease.Instant(n) * lease.Instant(time.Millisecond) }

// silence is a history of ten seconds: a leader at work, a change each 50 ms, and a holder with a term of 2 s that beats once, at
// 3 s. So its renewals are heard by 5 s at the latest, and the session is over by 7 s and some work.
func silence() *script {
	s := new(script)
	for at := 0; at < 12_000; at += 50 {
		op := s.change(history.Applied, 0, record(fmt.Sprintf("w%d.x", at), api.Revision(10+at), 1, fmt.Sprint("w", at)))
		op.Call, op.Return = ms(at+1), ms(at+40)
		for n := range 3 {
			s.h.Samples = append(s.h.Samples, history.Sample{Node: n, Call: ms(at), Return: ms(at + 2), Term: 7, Leads: n == 0})
		}
	}
	s.h.Holdings = []history.Holding{{
		Session: "s", Node: 1, Edge: "held.x", Term: 2 * time.Second, Beats: []history.Beat{{Sent: ms(2990), Heard: ms(3000)}},
		Told: []history.Told{{At: ms(3000), Deadline: ms(5000)}},
	}}
	return s
}

// alive is somebody who lists the sessions, and sees the holder's or does not.
func (s *script) alive(at int, there bool) {
	op := history.Op{Kind: history.Sessions, Fresh: api.Default, Outcome: history.Applied, Call: ms(at), Return: ms(at + 1)}
	if there {
		op.Sessions = []lease.SessionID{"s"}
	}
	s.add(op)
}

func TestASessionEndsInTime(t *testing.T) {
	s := silence()
	s.alive(4000, true)
	s.alive(7000, true)
	s.alive(8500, false)
	s.right(t)
	s.alive(8400, true)
	s.wrong(t, "leases")
}

func TestABoundNeedsALeaderAtWork(t *testing.T) {
	outlives := func() *script { s := silence(); s.alive(9000, true); return s }
	outlives().wrong(t, "leases")
	for name, change := range map[string]func(h *history.History){
		"nobody knows who led": func(h *history.History) { h.Samples = nil },
		"the leader changed at the bound": func(h *history.History) {
			for i := range h.Samples {
				if s := &h.Samples[i]; s.Call > ms(6800) {
					s.Term, s.Leads = 8, s.Node == 2
				}
			}
		},
		"it says that it leads when others have elected": func(h *history.History) {
			for i := range h.Samples {
				if s := &h.Samples[i]; s.Call > ms(6800) && s.Node != 0 {
					s.Term, s.Leads = 8, s.Node == 2
				}
			}
		},
		"it has only just taken over": func(h *history.History) {
			for i := range h.Samples {
				if s := &h.Samples[i]; s.Call < ms(6500) {
					s.Term, s.Leads = 6, s.Node == 2
				}
			}
		},
		"no change got through": func(h *history.History) {
			for i := range h.Ops {
				if op := &h.Ops[i]; op.Kind == history.Change && op.Call > ms(6500) && op.Call < ms(9000) {
					op.Outcome, op.Error, op.Edges = history.Unknown, api.Errorf(api.KindUnknown, ""), nil
				}
			}
		},
		"one change took all the time": func(h *history.History) {
			for i := range h.Ops {
				if op := &h.Ops[i]; op.Kind == history.Change && op.Return > ms(6500) && op.Return < ms(9000) {
					op.Call = ms(6400)
				}
			}
		},
		"the node was stopped, and renewed when it woke": func(h *history.History) {
			h.Breaks = []history.Break{{Kind: nemesis.Stop, Nodes: []int{1}, From: ms(3100), To: ms(6000)}}
		},
		"the network kept a renewal": func(h *history.History) {
			h.Breaks = []history.Break{{Kind: nemesis.Cut, Nodes: []int{2}, From: ms(3100), To: ms(5000)}}
		},
		"the node may have heard of it later": func(h *history.History) {
			h.Holdings[0].Beats = append(h.Holdings[0].Beats, history.Beat{Sent: ms(3500)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := outlives()
			change(&s.h)
			s.right(t)
		})
	}
	s := outlives()
	s.h.Breaks = []history.Break{{Kind: nemesis.Stop, Nodes: []int{2}, From: ms(3100), To: ms(6000)}}
	s.wrong(t, "leases") // that was another node
}

// A holder that was stopped, and goes on as if nothing had been.
func TestASilentSessionIsNotRenewed(t *testing.T) {
	s := silence()
	s.h.Holdings[0].Beats = append(s.h.Holdings[0].Beats, history.Beat{Sent: ms(10_000), Heard: ms(10_001)})
	s.right(t)
	s.h.Holdings[0].Told = append(s.h.Holdings[0].Told, history.Told{At: ms(10_100), Deadline: ms(12_100)})
	s.wrong(t, "leases")
}

// What somebody has ended may have had a deadline, but gets no new one.
func TestARevokedSessionIsNotRenewed(t *testing.T) {
	s := silence()
	s.alive(3500, false)
	s.wrong(t, "leases")
	s.h.Holdings[0].Ended = ms(3400)
	s.right(t)
	s.h.Holdings[0].Told = append(s.h.Holdings[0].Told, history.Told{At: ms(3600), Deadline: ms(5400)})
	s.right(t) // the answer was on its way
	s.h.Holdings[0].Told = append(s.h.Holdings[0].Told, history.Told{At: ms(3600), Deadline: ms(5510)})
	s.wrong(t, "leases")
}

func TestNothingIsDoneUnderASessionThatIsOver(t *testing.T) {
	taken := record("a.x", 20_000, 1, "late")
	taken.Producer.Session = "s"
	for name, op := range map[string]history.Op{
		"a change": {Kind: history.Change, Tag: "late", Edges: []api.Edge{taken}, Change: &api.ChangeRequest{
			Session: "s", Edges: []api.EdgeChange{{Name: "a.x", TakeProducer: true}},
		}},
		"a lease": {Kind: history.Acquire, Session: "s", Ask: &lease.Request{}, Grant: &lease.Grant{ID: "l2"}},
		"its own": {Kind: history.Sessions, Fresh: api.Strict, Sessions: []lease.SessionID{"s"}},
		"a list":  {Kind: history.Leases, Fresh: api.Default, Leases: []lease.ID{"l"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := silence()
			s.add(history.Op{Kind: history.Acquire, Outcome: history.Applied, Session: "s", Ask: &lease.Request{}, Grant: &lease.Grant{ID: "l"}, Call: ms(3000), Return: ms(3001)})
			s.alive(7100, false)
			op.Outcome, op.Call, op.Return = history.Applied, ms(7000), ms(7200)
			s.add(op)
			s.right(t) // it may have been before the end
			s.h.Ops[len(s.h.Ops)-1].Call = ms(7110)
			s.wrong(t, "leases")
		})
	}
}

package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/membership"
)

// What is still well.
const (
	contactMax = 5 * time.Second // since a member last answered its leader, which writes to it at least once a second
	lagMax     = 4096            // entries that a member may lack: what a busy second brings
	freeMin    = 256 << 20       // bytes left on the registry's disk; a snapshot needs room beside the log
	askFor     = 2 * time.Second // a node that has not said how it is by then is not well
)

// health says how the cluster stands: the leader's view or, where there is none to be had, this node's. It is an answer in both
// cases: asking and getting no answer at all is what an operator can do without.
func (s *Server) health(w http.ResponseWriter, r *http.Request) error {
	if err := queryOf(r).check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*askFor)
	defer cancel()
	leader, known := s.c.Registry.Leader()
	switch {
	case s.c.Registry.IsLeader():
		return answer(w, s.healthAsLeader(ctx))
	case !known || leader.ID == s.c.Node:
		return answer(w, s.healthAlone(ctx, "no leader is known: a majority of the voters cannot be reached, or an election is going on"))
	case r.Header.Get(headerForwarded) != "":
		return answer(w, s.healthAlone(ctx, "an election is going on"))
	}
	var h api.Health
	if err := s.forwarder.get(ctx, leader.Address, "/v1/operator/health", &h); err != nil {
		return answer(w, s.healthAlone(ctx, fmt.Sprintf("the leader %s at %s does not answer: %v", leader.ID, leader.Address, err)))
	}
	return answer(w, h)
}

// healthAlone is what a node can say without a leader: who of the others answers.
func (s *Server) healthAlone(ctx context.Context, problem string) api.Health {
	h := s.healthBase()
	h.Problems = append(h.Problems, problem)
	statuses := s.askAll(ctx, h.Servers)
	for i := range h.Servers {
		server := &h.Servers[i]
		server.Problems = problemsOf(*server, statuses[i], false)
	}
	h.count(statuses)
	h.Healthy = false
	return h.Health
}

// counted is a health in the making.
type counted struct{ api.Health }

func (s *Server) healthBase() counted {
	state, stats := s.c.Registry.State(), s.c.Registry.Stats()
	h := counted{api.Health{
		From: s.c.Node, Cluster: state.Cluster(), Leader: stats.Leader.ID, Term: stats.Term, Revision: state.Revision(),
		Level: state.Level(),
	}}
	servers, err := s.servers(state)
	if err != nil {
		h.Problems = append(h.Problems, err.Error())
	}
	for _, server := range servers {
		h.Servers = append(h.Servers, api.ServerHealth{RaftServer: server})
	}
	return h
}

func (s *Server) healthAsLeader(ctx context.Context) api.Health {
	h := s.healthBase()
	statuses := s.askAll(ctx, h.Servers)
	if err := s.c.Registry.Read(ctx, api.Default); err != nil {
		h.Problems = append(h.Problems, fmt.Sprintf("the leader has no majority behind it: %v", err))
	}
	for i := range h.Servers {
		server := &h.Servers[i]
		server.Problems = problemsOf(*server, statuses[i], true)
	}
	h.Problems = append(h.Problems, s.outsiders(h.Servers)...)
	h.count(statuses)
	return h.Health
}

// outsiders names the nodes that gossip knows and that are no members yet.
func (s *Server) outsiders(servers []api.ServerHealth) (problems []string) {
	for _, m := range s.c.Gossip.Members() {
		in := slices.ContainsFunc(servers, func(server api.ServerHealth) bool { return server.ID == m.ID })
		if m.Health == membership.Alive && !in {
			problems = append(problems, fmt.Sprintf("%s (%s) at %s is no member of the Raft group yet", m.Name, m.ID, m.Address))
		}
	}
	return problems
}

// count makes one word of the members' problems. One that does not vote yet is a problem too: who takes the next node down before it
// does may be left without a majority.
func (h *counted) count(statuses []asked) {
	well := 0
	for i := range h.Servers {
		server := &h.Servers[i]
		if status := statuses[i].status; status != nil {
			server.Disk = status.Disk
		}
		if server.Voter {
			h.Voters++
		} else {
			server.Problems = append(server.Problems, "does not vote yet: it is catching up")
		}
		server.Healthy = len(server.Problems) == 0
		switch {
		case !server.Healthy:
			h.Problems = append(h.Problems, fmt.Sprintf("%s: %s", nameOf(server.RaftServer), strings.Join(server.Problems, "; ")))
		case server.Voter:
			well++
		}
	}
	h.Quorum = h.Voters/2 + 1
	h.Margin = well - h.Quorum
	h.Healthy = len(h.Problems) == 0
}

// asked is what a node answered when it was asked how it is.
type asked struct {
	status *api.Status
	err    error
}

// askAll asks all servers for their status, this node included.
func (s *Server) askAll(ctx context.Context, servers []api.ServerHealth) []asked {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	answers := make([]asked, len(servers))
	var asking sync.WaitGroup
	for i, server := range servers {
		if server.ID == s.c.Node {
			own := s.ownStatus()
			answers[i].status = &own
			continue
		}
		asking.Go(func() {
			var status api.Status
			if answers[i].err = s.forwarder.get(ctx, server.Address, "/v1/status", &status); answers[i].err == nil {
				answers[i].status = &status
			}
		})
	}
	asking.Wait()
	return answers
}

// problemsOf says what is wrong with a member. Only a leader knows how far the others have got.
func problemsOf(server api.ServerHealth, a asked, leads bool) (problems []string) {
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	switch {
	case server.Leader || !leads:
	case server.LastContact < 0:
		say("has not answered its leader yet")
	case server.LastContact > contactMax:
		say("has not answered its leader for %v", server.LastContact.Round(time.Second))
	case server.Lag > lagMax:
		say("is %d log entries behind", server.Lag)
	}
	if server.Gossip != string(membership.Alive) {
		say("gossip says %s", server.Gossip)
	}
	switch status := a.status; {
	case status == nil:
		say("its API does not answer: %v", a.err)
	case status.Node != server.ID:
		say("another node, %s, answers at its address", status.Node)
	default:
		if leads { // without a leader none is ready, and who is reachable is what counts
			problems = append(problems, status.Problems...)
		}
		if d := status.Disk; d != nil && d.Size > 0 && d.Free < freeMin {
			say("its disk has %d MiB left", d.Free>>20)
		}
	}
	return problems
}

func nameOf(server api.RaftServer) string {
	if server.Name == "" {
		return string(server.ID)
	}
	return fmt.Sprintf("%s (%s)", server.Name, server.ID)
}

package server

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// listNodes shows what the registry, Raft and gossip know of each node. One that gossip alone knows is shown too: it has
// not been taken in yet.
func (s *Server) listNodes(current *state.State, q *query, w http.ResponseWriter, _ *http.Request) error {
	if err := q.check(); err != nil {
		return err
	}
	nodes := map[locator.NodeID]api.Node{}
	for n := range current.Nodes() {
		shown := n.API(current)
		shown.Health = "unknown"
		nodes[n.ID] = shown
	}
	for _, m := range s.c.Gossip.Members() {
		n, ok := nodes[m.ID]
		if !ok {
			n = api.Node{ID: m.ID, Name: m.Name, Zone: m.Zone, Address: m.Address, Version: m.Version}
		}
		n.Health, n.Direct = string(m.Health), m.Direct
		nodes[m.ID] = n
	}
	servers, err := s.c.Registry.Servers()
	if err != nil {
		return err
	}
	leader, _ := s.c.Registry.Leader()
	list := make([]api.Node, 0, len(nodes))
	for id, n := range nodes {
		n.Leader = id == leader.ID
		n.Voter = slices.ContainsFunc(servers, func(v registry.Server) bool { return v.ID == id && v.Voter })
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b api.Node) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return answer(w, list)
}

// register takes a node's start into the registry and gives it its incarnation.
func (s *Server) register(w http.ResponseWriter, r *http.Request) error {
	var want api.RegisterRequest
	if err := decode(r, &want); err != nil {
		return err
	}
	n := want.Node
	result, err := s.c.Registry.Apply(r.Context(), state.RegisterNode{
		Node: n.ID, Name: n.Name, Zone: n.Zone, Address: n.Address, Memory: n.Memory, Version: n.Version,
		Incarnation: n.Incarnation,
	})
	if err != nil {
		return err
	}
	current := s.c.Registry.State()
	s.setHeaders(w, current)
	return answer(w, api.RegisterResponse{Cluster: current.Cluster(), Incarnation: result.Node.Incarnation})
}

// removeNode forgets a node that will not come back, and what lay on it. Its vote must have been taken first.
func (s *Server) removeNode(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	force, detail := q.flag("force"), q.text("detail")
	if err := q.check(); err != nil {
		return err
	}
	id := locator.NodeID(r.PathValue("id"))
	if err := checkID("node ID", string(id)); err != nil {
		return err
	}
	members, err := s.c.Group.Members()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(members, func(m registry.Member) bool { return m.ID == id }) {
		return api.Errorf(api.KindConflict, "node %s is a member of the Raft group: remove it there first (operator raft remove-peer)", id)
	}
	command := state.RemoveNode{Node: id, Force: force, Detail: detail}
	if err := s.c.Registry.State().Admits(command); err != nil {
		return err
	}
	if _, err := s.c.Registry.Apply(r.Context(), command); err != nil {
		return err
	}
	s.c.Logger.Warn("an operator has removed a node", "node", id, "force", force, "asked_from", r.RemoteAddr)
	return s.done(w)
}

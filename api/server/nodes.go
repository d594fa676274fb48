package server

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry"
)

// listNodes shows what the registry, Raft and gossip know of each node. One that gossip alone knows is shown too: it has
// not been taken in yet.
func (s *Server) listNodes(state *registry.State, q *query, w http.ResponseWriter, _ *http.Request) error {
	if err := q.check(); err != nil {
		return err
	}
	nodes := map[locator.NodeID]api.Node{}
	for n := range state.Nodes() {
		shown := n.API(state)
		shown.Health = "unknown"
		nodes[n.ID] = shown
	}
	for _, m := range s.c.Gossip.Members() {
		n, ok := nodes[m.ID]
		if !ok {
			n = api.Node{ID: m.ID, Name: m.Name, Zone: m.Zone, Address: m.Address, Version: m.Version}
		}
		n.Health = string(m.Health)
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
	result, err := s.c.Registry.Apply(r.Context(), registry.RegisterNode{
		Node: n.ID, Name: n.Name, Zone: n.Zone, Address: n.Address, Memory: n.Memory, Version: n.Version,
		Incarnation: n.Incarnation,
	})
	if err != nil {
		return err
	}
	state := s.c.Registry.State()
	s.setHeaders(w, state)
	return answer(w, api.RegisterResponse{Cluster: state.Cluster(), Incarnation: result.Node.Incarnation})
}

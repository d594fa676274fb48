package server

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry/state"
)

// reportsMax bounds what a node may answer to another that gathers reports: some tens of thousands of edges.
const reportsMax = 32 << 20

// reports answers with what stages have reported, here and to the other nodes, which are asked at once for askFor at most. A node that gathers is
// told of this one only. A node that does not answer, or that gossip says is gone, is named instead.
func (s *Server) reports(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	prefix, traces := q.text("prefix"), q.flag("traces")
	if err := q.check(); err != nil {
		return err
	}
	all := s.ownReports(prefix, traces)
	if r.Header.Get(headerForwarded) != "" {
		return answer(w, visible(all, accessOf(r)))
	}
	path := "/v1/reports?" + url.Values{"prefix": {prefix}, "traces": {strconv.FormatBool(traces)}}.Encode()
	others := s.others()
	heard := make([]api.Reports, len(others))
	errs := make([]error, len(others))
	ctx, cancel := context.WithTimeout(r.Context(), askFor)
	defer cancel()
	var asking sync.WaitGroup
	for i, n := range others {
		if errs[i] = s.gone(n.ID); errs[i] == nil {
			asking.Go(func() { errs[i] = s.forwarder.getUpTo(ctx, n.Address, path, &heard[i], reportsMax) })
		}
	}
	asking.Wait()
	for i, n := range others {
		if errs[i] != nil {
			all.Unheard = append(all.Unheard, api.Unheard{Node: n.ID, Name: n.Name, Why: errs[i].Error()})
			continue
		}
		all.Sides, all.Traces = append(all.Sides, heard[i].Sides...), append(all.Traces, heard[i].Traces...)
	}
	sortReports(&all)
	return answer(w, visible(all, accessOf(r)))
}

// visible leaves of reports what their reader may see.
func visible(r api.Reports, a *access) api.Reports {
	r.Sides = slices.DeleteFunc(r.Sides, func(side api.SideReport) bool { return !a.allows(side.Edge) })
	if !a.allows("") {
		for i := range r.Unheard { // that something is missing, and not of which node
			r.Unheard[i] = api.Unheard{Why: "a node was not heard"}
		}
	}
	r.Traces = slices.DeleteFunc(r.Traces, func(trace api.Trace) bool { return !a.allows(trace.Edge) })
	return r
}

// ownReports is what stages have reported to this node.
func (s *Server) ownReports(prefix string, traces bool) api.Reports {
	own := s.c.Reported.Reports(prefix, traces)
	for i := range own.Sides {
		own.Sides[i].Node = s.c.Node
	}
	for i := range own.Traces {
		own.Traces[i].Node = s.c.Node
	}
	own.Unheard = []api.Unheard{}
	sortReports(&own)
	return own
}

// others are the cluster's nodes without this one.
func (s *Server) others() (nodes []state.Node) {
	for n := range s.c.Registry.State().Nodes() {
		if n.ID != s.c.Node {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// gone says by gossip's word why a node need not be asked. One that gossip does not know is asked.
func (s *Server) gone(id locator.NodeID) error {
	for _, m := range s.c.Gossip.Members() {
		if m.ID == id && (m.Health == membership.Dead || m.Health == membership.Left) {
			return fmt.Errorf("gossip says %s", m.Health)
		}
	}
	return nil
}

// sortReports orders sides by edge, producers first, and traces by edge and time.
func sortReports(r *api.Reports) {
	slices.SortFunc(r.Sides, func(a, b api.SideReport) int {
		return cmp.Or(cmp.Compare(a.Edge, b.Edge), cmp.Compare(b.Role, a.Role), cmp.Compare(a.Session, b.Session))
	})
	slices.SortStableFunc(r.Traces, func(a, b api.Trace) int {
		return cmp.Or(cmp.Compare(a.Edge, b.Edge), a.Noticed.Compare(b.Noticed), cmp.Compare(b.Role, a.Role))
	})
}

package server

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/grafnode/grafnode/api"
)

func (s *Server) status(w http.ResponseWriter, r *http.Request) error {
	if err := queryOf(r).check(); err != nil {
		return err
	}
	state, stats := s.c.Registry.State(), s.c.Registry.Stats()
	leader, _ := s.c.Registry.Leader()
	edges, leases, sessions, nodes := state.Counts()
	problems := s.c.Problems()
	return answer(w, api.Status{
		Cluster: state.Cluster(), Node: s.c.Node, Name: s.c.Name, Version: s.c.Version, State: stats.State,
		Leader: leader.ID, Term: stats.Term, Revision: state.Revision(), Edges: edges, Leases: leases, Sessions: sessions,
		Nodes: nodes, Ready: len(problems) == 0, Problems: problems, Started: s.started,
	})
}

// live says that the process answers. A node that is cut off from the others is alive: restarting it would not help.
func (s *Server) live(w http.ResponseWriter, _ *http.Request) error {
	_, _ = fmt.Fprintln(w, "ok")
	return nil
}

// ready says whether this node can serve what needs the cluster, and if not, why not, one reason a line.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) error {
	problems := s.c.Problems()
	if len(problems) == 0 {
		_, _ = fmt.Fprintln(w, "ok")
		return nil
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = fmt.Fprintln(w, strings.Join(problems, "\n"))
	return nil
}

// unknown answers for what leads nowhere, in JSON as everything else, and tells a wrong method from a wrong path.
func (s *Server) unknown(_ http.ResponseWriter, r *http.Request) error {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(probe); pattern != "/" && pattern != "" {
			return api.Errorf(api.KindInvalid, "%s does not take %s; it takes %s", r.URL.Path, r.Method, method)
		}
	}
	return api.Errorf(api.KindNotFound, "no route %s %s", r.Method, r.URL.Path)
}

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
	return answer(w, s.ownStatus())
}

// authorities says by whose certificates the nodes can be known. It is no secret.
func (s *Server) authorities(w http.ResponseWriter, r *http.Request) error {
	if err := queryOf(r).check(); err != nil {
		return err
	}
	known := api.Authorities{}
	if s.c.Authorities != nil {
		known.PEM = string(s.c.Authorities())
	}
	return answer(w, known)
}

func (s *Server) ownStatus() api.Status {
	state, stats := s.c.Registry.State(), s.c.Registry.Stats()
	leader, _ := s.c.Registry.Leader()
	edges, leases, sessions, nodes := state.Counts()
	problems := s.c.Problems()
	disk := &api.Disk{Writes: stats.Disk.Count, Slowest: stats.Disk.Slowest}
	if s.c.Space != nil {
		disk.Free, disk.Size = s.c.Space()
	}
	return api.Status{
		Cluster: state.Cluster(), Node: s.c.Node, Name: s.c.Name, Version: s.c.Version, State: stats.State,
		Leader: leader.ID, Term: stats.Term, Revision: state.Revision(), Edges: edges, Leases: leases, Sessions: sessions,
		Nodes: nodes, Ready: len(problems) == 0, Problems: problems, Started: s.started, Disk: disk,
	}
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
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) error {
	var takes []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
		probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(probe); pattern != "/" && pattern != "" {
			takes = append(takes, method)
		}
	}
	if takes == nil {
		return api.Errorf(api.KindNotFound, "no route %s %s", r.Method, r.URL.Path)
	}
	allow := strings.Join(takes, ", ")
	w.Header().Set("Allow", allow)
	answerErrorAs(w, api.Errorf(api.KindInvalid, "%s does not take %s; it takes %s", r.URL.Path, r.Method, allow), http.StatusMethodNotAllowed)
	return nil
}

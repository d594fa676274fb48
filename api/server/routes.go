package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry/state"
)

// handler answers a request, or returns an error that is answered for it; after the first byte it must return nil.
type handler func(w http.ResponseWriter, r *http.Request) error

// table lists every route but the watch's, which has no limit in time. The hostile requests of the tests go by it.
func (s *Server) table() map[string]handler {
	return map[string]handler{
		"GET /v1/edges":                   s.read(s.listEdges),
		"GET /v1/edges/{name}":            s.read(s.getEdge),
		"GET /v1/edges/{name}/history":    s.read(s.getHistory),
		"DELETE /v1/edges/{name}":         s.lead(s.deleteEdge),
		"POST /v1/edges/{name}/relocate":  s.lead(s.relocate),
		"GET /v1/reports":                 s.reports,
		"POST /v1/changes":                s.lead(s.change),
		"POST /v1/spares":                 s.lead(s.spare),
		"GET /v1/leases":                  s.read(s.listLeases),
		"GET /v1/leases/{id}":             s.read(s.getLease),
		"POST /v1/leases":                 s.lead(s.acquire),
		"DELETE /v1/leases/{id}":          s.lead(s.release),
		"POST /v1/leases/{id}/revoke":     s.lead(s.revoke),
		"POST /v1/leases/{id}/adopt":      s.lead(s.adopt),
		"GET /v1/sessions":                s.read(s.listSessions),
		"GET /v1/sessions/{id}":           s.read(s.getSession),
		"POST /v1/renew":                  s.lead(s.renew),
		"GET /v1/nodes":                   s.read(s.listNodes),
		"DELETE /v1/nodes/{id}":           s.lead(s.removeNode),
		"POST /v1/nodes":                  s.lead(s.register),
		"GET /v1/nodes/{id}/drain":        s.read(s.getDrain),
		"POST /v1/nodes/{id}/drain":       s.lead(s.drain),
		"POST /v1/nodes/{id}/eligibility": s.lead(s.eligibility),
		"POST /v1/internal/memory":        s.lead(s.resize),
		"POST /v1/internal/sessions":      s.lead(s.session),
		"POST /v1/internal/found":         s.found,
		"GET /v1/tokens":                  s.read(s.listTokens),
		"POST /v1/tokens":                 s.lead(s.createToken),
		"DELETE /v1/tokens/{id}":          s.lead(s.deleteToken),
		"GET /v1/checkpoints/{key...}":    s.read(s.getCheckpoint),
		"POST /v1/checkpoints/{key...}":   s.lead(s.putCheckpoint),
		"GET /v1/blocks/{lease}":          s.readBlocks,
		"PUT /v1/blocks/{lease}":          s.writeBlocks,
		"POST /v1/blocks/{lease}/fence":   s.fenceBlocks,
		"GET /v1/operator/raft":           s.read(s.listServers),
		"DELETE /v1/operator/raft/{id}":   s.lead(s.removeServer),
		"POST /v1/operator/raft/transfer": s.lead(s.transfer),
		"GET /v1/operator/snapshot":       s.lead(s.saveSnapshot),
		"PUT /v1/operator/snapshot":       s.lead(s.restoreSnapshot),
		"GET /v1/operator/debug/{what}":   s.debug,
		"GET /v1/operator/health":         s.health,
		"GET /v1/authorities":             s.authorities,
		"GET /v1/status":                  s.status,
		"GET /livez":                      s.live,
		"GET /readyz":                     s.ready,
		"GET /metrics":                    s.metrics(),
		"GET /{$}":                        front,
		"GET /ui/{file...}":               page,
		"/":                               s.unknown,
	}
}

func (s *Server) routes() {
	for pattern, h := range s.table() {
		s.mux.Handle(pattern, s.wrap(pattern, s.guard(pattern, h)))
	}
	watch := s.withHeaders(s.guard(watchRoute, s.watch)) // which paces itself once it has begun
	s.mux.HandleFunc(watchRoute, func(w http.ResponseWriter, r *http.Request) {
		newPacedWriter(w).wait()
		began, answer := time.Now(), &statusWriter{ResponseWriter: w}
		watch.ServeHTTP(answer, r)
		if answer.status >= http.StatusBadRequest { // how long others have lasted is their readers' affair
			s.took.WithLabelValues(watchRoute, strconv.Itoa(answer.status)).Observe(time.Since(began).Seconds())
		}
	})
}

const watchRoute = "GET /v1/watch"

// bodyLimit is how many bytes a route's body may have.
func bodyLimit(route string) int64 {
	switch route {
	case "PUT /v1/blocks/{lease}":
		return blockBodyMax
	case "PUT " + snapshotPath:
		return snapshotMax
	default:
		return bodyMax
	}
}

// wrap bounds a request's body and the time that its connection may take, gives the answer its headers, turns errors into
// answers and measures the whole.
func (s *Server) wrap(route string, h handler) http.Handler {
	limit := bodyLimit(route)
	inner := s.withHeaders(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		paced := newPacedWriter(w)
		if r.Body != nil && r.Body != http.NoBody {
			body := newPacedBody(r.Body, paced.control, s.patience, route == "PUT "+snapshotPath)
			r.Body = http.MaxBytesReader(w, body, limit) // w: the server's own, which closes the connection of who sends more
		}
		inner.ServeHTTP(paced, r)
		status := max(paced.status, http.StatusOK)
		s.took.WithLabelValues(route, strconv.Itoa(status)).Observe(time.Since(began).Seconds())
	})
}

func (s *Server) withHeaders(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		current := s.c.Registry.State()
		s.setHeaders(w, current)
		err := s.meant(r, current)
		if err == nil {
			err = h(w, r)
		}
		if err == nil {
			return
		}
		e := api.ErrorOf(err)
		if (e.Kind == api.KindInternal || e.Kind == api.KindCorrupt) && r.Context().Err() == nil { // else nobody waits any more
			s.c.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		}
		answerError(w, err)
	})
}

func (s *Server) setHeaders(w http.ResponseWriter, current *state.State) {
	h := w.Header()
	h.Set(api.HeaderCluster, current.Cluster())
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set(api.HeaderRevision, strconv.FormatUint(uint64(current.Revision()), 10))
	if leader, ok := s.c.Registry.Leader(); ok {
		h.Set(api.HeaderLeader, leader.Address)
	}
}

// lead has the leader answer.
func (s *Server) lead(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if s.c.Registry.IsLeader() {
			return h(w, r)
		}
		leader, ok := s.c.Registry.Leader()
		if !ok || leader.ID == s.c.Node {
			return errNoLeader
		}
		return s.forwarder.forward(w, r, leader.Address)
	}
}

var errNoLeader = api.Errorf(api.KindNoQuorum, "no leader: a majority of the nodes cannot be reached, or an election is going on")

// read has a handler answer from a state that is as fresh as the request's consistency asks: this node's, or the leader's. A stale
// answer says how long this node has heard of no leader.
func (s *Server) read(h func(*state.State, *query, http.ResponseWriter, *http.Request) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q := queryOf(r)
		fresh := q.consistency()
		if q.err != nil {
			return q.err
		}
		if fresh == api.Stale {
			silent := s.c.Registry.Stats().LastContact // before the state is looked at: it is no older than that
			w.Header().Set(api.HeaderStaleFor, strconv.FormatInt(silent.Milliseconds(), 10))
			return s.readHere(w, r, q, h)
		}
		return s.lead(func(w http.ResponseWriter, r *http.Request) error {
			if err := s.c.Registry.Read(r.Context(), fresh); err != nil {
				return err
			}
			return s.readHere(w, r, q, h)
		})(w, r)
	}
}

func (s *Server) readHere(w http.ResponseWriter, r *http.Request, q *query,
	h func(*state.State, *query, http.ResponseWriter, *http.Request) error,
) error {
	current := s.c.Registry.State()
	s.setHeaders(w, current)
	return h(current, q, w, r)
}

func (s *Server) metrics() handler {
	shown := promhttp.HandlerFor(s.c.Metrics, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	return func(w http.ResponseWriter, r *http.Request) error {
		shown.ServeHTTP(w, r)
		return nil
	}
}

package server

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry"
)

// Registry is what the handlers need of the registry; *registry.Registry is one.
type Registry interface {
	State() *registry.State
	Leader() (registry.Peer, bool)
	IsLeader() bool
	Apply(ctx context.Context, c registry.Command) (registry.Result, error)
	Read(ctx context.Context, c api.Consistency) error
	Watch(ctx context.Context, prefix string, from api.Revision) iter.Seq2[api.Event, error]
	Servers() ([]registry.Server, error)
	Stats() registry.Stats
}

// Gossip is what the handlers need of the gossip; *membership.Gossip is one.
type Gossip interface {
	Members() []membership.Member
	HealthScore() int
}

// Keeper renews leases on the leader; leasebroker's runner is one.
type Keeper interface {
	Renew(ctx context.Context, r api.RenewRequest) (api.RenewResponse, error)
}

// Blocks are this node's block regions; *blocks.Store is one.
type Blocks interface {
	Read(id lease.ID, offset uint64, n int) ([]byte, error)
	Write(id lease.ID, epoch fence.Epoch, number, offset uint64, b []byte) error
	Fence(id lease.ID, epoch fence.Epoch) error
}

// Founding is this node's part in founding a cluster; package node has it.
type Founding interface {
	Promise(r api.FoundRequest) error
}

// Config is what a Server is made of. All fields without a default stated are required.
type Config struct {
	Node     locator.NodeID
	Name     string
	Version  string
	RingTTL  time.Duration // of the rings' leases; default lease.TTLDefault
	Registry Registry
	Gossip   Gossip
	Keeper   Keeper
	Blocks   Blocks
	Founding Founding
	Problems func() []string      // why the node is not ready; empty: it is. Must not block
	Metrics  *prometheus.Registry // shown at /metrics; New adds the HTTP series to it
	Logger   *slog.Logger         // default slog.Default()
	// Dial makes the connections to the leader; default a net.Dialer with 2 s.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Validate reports what is missing.
func (c Config) Validate() error {
	switch {
	case c.Node == "":
		return errors.New("api/server: no node ID")
	case c.Registry == nil || c.Gossip == nil || c.Keeper == nil || c.Blocks == nil || c.Founding == nil:
		return errors.New("api/server: registry, gossip, keeper, blocks and founding are all required")
	case c.Problems == nil || c.Metrics == nil:
		return errors.New("api/server: problems and metrics are required")
	}
	return nil
}

// Server answers the API. It is safe for concurrent use.
type Server struct {
	c         Config
	forwarder *forwarder
	mux       *http.ServeMux
	took      *prometheus.HistogramVec
	started   time.Time
}

// New returns a server; it starts nothing. Close gives its idle connections back.
func New(c Config) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.RingTTL == 0 {
		c.RingTTL = lease.TTLDefault
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: 2 * time.Second}).DialContext
	}
	s := &Server{
		c:         c,
		forwarder: newForwarder(string(c.Node), c.Dial),
		mux:       http.NewServeMux(),
		started:   time.Now(),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "grafnode", Name: "http_request_seconds", Help: "Time to answer API requests, watches left out.",
			Buckets: prometheus.ExponentialBuckets(.0005, 4, 8),
		}, []string{"route", "code"}),
	}
	if err := c.Metrics.Register(s.took); err != nil {
		return nil, fmt.Errorf("api/server: %w", err)
	}
	s.routes()
	return s, nil
}

// Handler returns the API's handler. It refuses writes that a browser makes for another site: the port has no other guard
// against a page that knows its address.
func (s *Server) Handler() http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answerError(w, api.Errorf(api.KindInvalid, "a write asked for by another site's page"))
	}))
	return guard.Handler(s.mux)
}

// Close closes idle connections to other nodes. Requests under way go on.
func (s *Server) Close() error {
	s.forwarder.close()
	return nil
}

// handler answers a request, or returns an error that is answered for it; after the first byte it must return nil.
type handler func(w http.ResponseWriter, r *http.Request) error

func (s *Server) routes() {
	for pattern, h := range map[string]handler{
		"GET /v1/edges":                  s.read(s.listEdges),
		"GET /v1/edges/{name}":           s.read(s.getEdge),
		"GET /v1/edges/{name}/history":   s.read(s.getHistory),
		"DELETE /v1/edges/{name}":        s.lead(s.deleteEdge),
		"POST /v1/edges/{name}/relocate": s.lead(s.relocate),
		"POST /v1/changes":               s.lead(s.change),
		"GET /v1/leases":                 s.read(s.listLeases),
		"POST /v1/leases":                s.lead(s.acquire),
		"DELETE /v1/leases/{id}":         s.lead(s.release),
		"POST /v1/leases/{id}/revoke":    s.lead(s.revoke),
		"POST /v1/leases/{id}/adopt":     s.lead(s.adopt),
		"POST /v1/renew":                 s.lead(s.renew),
		"GET /v1/nodes":                  s.read(s.listNodes),
		"POST /v1/nodes":                 s.lead(s.register),
		"POST /v1/internal/sessions":     s.lead(s.session),
		"POST /v1/internal/found":        s.found,
		"GET /v1/checkpoints/{key...}":   s.read(s.getCheckpoint),
		"POST /v1/checkpoints/{key...}":  s.lead(s.putCheckpoint),
		"GET /v1/blocks/{lease}":         s.readBlocks,
		"PUT /v1/blocks/{lease}":         s.writeBlocks,
		"POST /v1/blocks/{lease}/fence":  s.fenceBlocks,
		"GET /v1/status":                 s.status,
		"GET /livez":                     s.live,
		"GET /readyz":                    s.ready,
		"/":                              s.unknown,
	} {
		s.mux.Handle(pattern, s.wrap(pattern, h))
	}
	s.mux.Handle("GET /v1/watch", s.withHeaders(s.watch)) // no limit in time
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(s.c.Metrics, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	s.mux.Handle("GET /{$}", http.HandlerFunc(page))
}

// wrap bounds a request's body, gives the answer its headers, turns errors into answers and measures the whole.
func (s *Server) wrap(route string, h handler) http.Handler {
	limit := int64(bodyMax)
	if route == "PUT /v1/blocks/{lease}" {
		limit = blockBodyMax
	}
	inner := s.withHeaders(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		inner.ServeHTTP(seen, r)
		s.took.WithLabelValues(route, strconv.Itoa(seen.status)).Observe(time.Since(began).Seconds())
	})
}

func (s *Server) withHeaders(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.setHeaders(w, s.c.Registry.State())
		err := h(w, r)
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

func (s *Server) setHeaders(w http.ResponseWriter, state *registry.State) {
	h := w.Header()
	h.Set(api.HeaderCluster, state.Cluster())
	h.Set(api.HeaderRevision, strconv.FormatUint(uint64(state.Revision()), 10))
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
			return api.Errorf(api.KindNoQuorum, "no leader: a majority of the nodes cannot be reached, or an election is going on")
		}
		return s.forwarder.forward(w, r, leader.Address)
	}
}

// read has a handler answer from a state that is as fresh as the request's consistency asks: this node's, or the leader's.
func (s *Server) read(h func(*registry.State, *query, http.ResponseWriter, *http.Request) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q := queryOf(r)
		fresh := q.consistency()
		if q.err != nil {
			return q.err
		}
		here := func(w http.ResponseWriter, r *http.Request) error {
			if fresh != api.Stale {
				if err := s.c.Registry.Read(r.Context(), fresh); err != nil {
					return err
				}
			}
			state := s.c.Registry.State()
			s.setHeaders(w, state)
			return h(state, q, w, r)
		}
		if fresh == api.Stale {
			return here(w, r)
		}
		return s.lead(here)(w, r)
	}
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// Registry is what the handlers need of the registry; *registry.Registry is one.
type Registry interface {
	State() *state.State
	Leader() (registry.Peer, bool)
	IsLeader() bool
	Apply(ctx context.Context, c state.Command) (state.Result, error)
	Read(ctx context.Context, c api.Consistency) error
	Watch(ctx context.Context, q api.WatchRequest) iter.Seq2[api.Event, error]
	Servers() ([]registry.Server, error)
	Stats() registry.Stats
}

// Gossip is what the handlers need of the gossip; *membership.Gossip is one.
type Gossip interface {
	Members() []membership.Member
	HealthScore() int
}

// Group is what the operators' routes do to the Raft group; *registry.Registry is one.
type Group interface {
	Members() ([]registry.Member, error)
	RemoveServer(ctx context.Context, id locator.NodeID) error
	Transfer(ctx context.Context, to locator.NodeID) error
	SaveSnapshot(ctx context.Context, w io.Writer) (registry.SnapshotInfo, error)
	RestoreSnapshot(ctx context.Context, r io.Reader, force bool) error
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

// Reported is what this node's stages have reported; *Stages is one.
type Reported interface {
	// Reports returns the sides, and the traces if asked for, of the edges whose names begin with prefix.
	Reports(prefix string, traces bool) api.Reports
}

// Config is what a Server is made of. All fields without a default stated are required.
type Config struct {
	Node     locator.NodeID
	Name     string
	Version  string
	RingTTL  time.Duration // of the rings' leases; default lease.TTLDefault
	Registry Registry
	Group    Group
	Gossip   Gossip
	Keeper   Keeper
	Blocks   Blocks
	Founding Founding
	Reported Reported
	Problems func() []string // why the node is not ready; empty: it is. Must not block
	// Space says how much is left, and how much there is, where the registry lies, in bytes; nil: not known.
	Space   func() (free, size uint64)
	Metrics *prometheus.Registry // shown at /metrics; New adds the HTTP series to it
	Logger  *slog.Logger         // default slog.Default()
	// Hosts are the names with a dot, in small letters, by which the node may be asked without TLS; see called.
	Hosts []string
	// Logs returns what the node said lately, and Settings what it was told; neither holds a secret. Nil: nothing is shown.
	Logs, Settings func() []byte
	// Authorities returns the certificates, in PEM, by which nodes can be known; nil: the nodes speak without TLS.
	Authorities func() []byte
	// Dial makes the connections to the leader, with TLS if nodes speak it; default a net.Dialer with 2 s.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Validate reports what is missing.
func (c Config) Validate() error {
	switch {
	case c.Node == "":
		return errors.New("api/server: no node ID")
	case c.Registry == nil || c.Group == nil || c.Gossip == nil || c.Keeper == nil || c.Blocks == nil || c.Founding == nil,
		c.Reported == nil:
		return errors.New("api/server: registry, group, gossip, keeper, blocks, founding and reported are all required")
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
	// tokensRefused counts requests by why their token did not do.
	tokensRefused *prometheus.CounterVec
	started       time.Time
	patience      time.Duration // bodyPatience; shorter in tests
	saving        chan struct{} // holds a token for each snapshot on its way out
	restoring     sync.Mutex    // held by the one that comes in
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
		forwarder: newForwarder(string(c.Node), func() string { return c.Registry.State().Cluster() }, c.Logger, c.Dial),
		mux:       http.NewServeMux(),
		started:   time.Now(),
		patience:  bodyPatience,
		saving:    make(chan struct{}, snapshotsMax),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "grafnode", Name: "http_request_seconds", Help: "Time to answer API requests; of watches, those that were refused.",
			Buckets: prometheus.ExponentialBuckets(.0005, 4, 8),
		}, []string{"route", "code"}),
		tokensRefused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "grafnode", Name: "token_refused_total", Help: "Requests refused over the token that they showed, by why.",
		}, []string{"reason"}),
	}
	for _, reason := range tokenRefusals {
		s.tokensRefused.WithLabelValues(reason)
	}
	for _, metric := range []prometheus.Collector{s.took, s.tokensRefused} {
		if err := c.Metrics.Register(metric); err != nil {
			return nil, fmt.Errorf("api/server: %w", err)
		}
	}
	counted, err := newWatched(c.Registry, c.Metrics)
	if err != nil {
		return nil, fmt.Errorf("api/server: %w", err)
	}
	s.c.Registry = counted
	s.routes()
	return s, nil
}

// Handler returns the API's handler.
func (s *Server) Handler() http.Handler { return s.mux }

// Close closes idle connections to other nodes. Requests under way go on.
func (s *Server) Close() error {
	s.forwarder.close()
	return nil
}

package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/detour"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/lease"
)

// Limits of one HTTP exchange.
const (
	// TryTimeoutDefault bounds one try of a request against one node.
	TryTimeoutDefault = 3 * time.Second
	responseMax       = 64 << 20
	errorBodyMax      = 64 << 10
	connectTimeout    = 2 * time.Second
)

// APIConfig says how an API talks to its node.
type APIConfig struct {
	Timeout time.Duration // of one request; streams: until the answer begins. Zero: TryTimeoutDefault
	// Credentials returns the session that requests are made for and its secret; nil, or an empty session: none.
	Credentials func() (session lease.SessionID, token string)
	// Token returns the secret of a capability token, which then is all that requests have rights by; nil, or an empty one: none. Over a TCP
	// connection without TLS whoever listens has it.
	Token func() string
	// Cluster returns the ID of the cluster that the node must be of: of another it refuses (api.ErrCluster), and has done nothing.
	// Empty: any. Nil: the one that its first answer names, for as long as the API is used.
	Cluster func() string
	// TLS returns what a TCP connection to the node is made with; asked for each of them. Nil, or nil from it: without TLS.
	TLS func() *tls.Config
	// Leader, unless nil, is called with the leader's address as the node's answers give it. It must not block.
	Leader func(address string)
}

// API speaks the HTTP API of one node: no retries, no other nodes, no session of its own. It is what the command line and
// nodes among themselves use. All methods are safe for concurrent use. Errors are api errors: errors.Is finds api.ErrUnavailable
// if the node was not reached, and api.ErrUnknown if a write may or may not have happened.
type API struct {
	target  string // as given, for messages
	base    string
	timeout time.Duration
	creds   func() (lease.SessionID, string)
	token   func() string
	leader  func(string)
	cluster func() string
	stays   bool                   // told is the first that was heard, not the last
	told    atomic.Pointer[string] // the cluster's ID as the node's answers give it; nil: there was none yet
	wire    *wire                  // small requests and answers
	http    *http.Client           // streams, and what is large
}

// NewAPI returns the API of the node at target: "host:port", or the path of its Unix socket. It connects to nothing yet.
func NewAPI(target string, c APIConfig) (*API, error) {
	network, address, err := splitTarget(target)
	if err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = TryTimeoutDefault
	}
	if c.Credentials == nil {
		c.Credentials = func() (lease.SessionID, string) { return "", "" }
	}
	if c.Token == nil {
		c.Token = func() string { return "" }
	}
	dialer := &net.Dialer{Timeout: connectTimeout}
	host := address
	if network == "unix" {
		host = "node" // HTTP wants one; the socket's path is not one
	}
	dial := func(ctx context.Context) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, detour.To(address))
		if err != nil || network == "unix" || c.TLS == nil {
			return conn, err
		}
		with := c.TLS()
		if with == nil {
			return conn, nil
		}
		ctx, cancel := context.WithTimeout(ctx, connectTimeout)
		defer cancel()
		return identity.Dial(ctx, conn, with)
	}
	a := &API{
		target: target, base: "http://" + host, timeout: c.Timeout, creds: c.Credentials, token: c.Token, leader: c.Leader, cluster: c.Cluster,
		stays: c.Cluster == nil,
		wire:  &wire{dial: dial, host: host},
		http: &http.Client{
			// No proxy from the environment: these are the cluster's own machines.
			Transport: &http.Transport{
				DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
				MaxIdleConnsPerHost: 8,
				IdleConnTimeout:     30 * time.Second,
				DisableCompression:  true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if a.stays {
		a.cluster = a.heardOf
	}
	return a, nil
}

// heardOf returns the ID of the cluster that the node is of by its own word; empty if it has not said so yet.
func (a *API) heardOf() string {
	if id := a.told.Load(); id != nil {
		return *id
	}
	return ""
}

// heard notes what the head of an answer says. A refusal to mix clusters may be another node's word, passed on.
func (a *API) heard(status int, h http.Header) {
	if status == http.StatusMisdirectedRequest {
		return
	}
	if leader := h.Get(api.HeaderLeader); leader != "" && a.leader != nil {
		a.leader(leader)
	}
	if id, was := h.Get(api.HeaderCluster), a.heardOf(); id != "" && id != was && (was == "" || !a.stays) {
		a.told.Store(&id)
	}
}

// splitTarget tells a socket's path from a host and port.
func splitTarget(target string) (network, address string, err error) {
	if path, ok := strings.CutPrefix(target, "unix:"); ok || filepath.IsAbs(target) {
		return "unix", path, nil
	}
	host, port, err := net.SplitHostPort(strings.TrimPrefix(target, "http://"))
	if err != nil || host == "" || port == "" {
		return "", "", fmt.Errorf("%q is no node: give host:port, such as 127.0.0.1:7400, or the absolute path of a node's socket", target)
	}
	return "tcp", net.JoinHostPort(host, port), nil
}

// Target returns what NewAPI was given.
func (a *API) Target() string { return a.target }

// Close closes idle connections. Requests under way go on.
func (a *API) Close() error {
	a.http.CloseIdleConnections()
	a.wire.close()
	return nil
}

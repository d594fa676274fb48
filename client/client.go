package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric/rdma"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/internal/membarrier"
	steps "github.com/grafnode/grafnode/internal/session"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// ErrClosed says that the client was closed by its own user.
var ErrClosed = errors.New("client is closed")

// Client is a stage process's line to its node and the cluster. All methods are safe for concurrent use and block no longer
// than their ctx.
type Client struct {
	config Config
	log    *slog.Logger
	route  *route
	news   *news

	ctx      context.Context // ends with Close
	stop     context.CancelCauseFunc
	running  sync.WaitGroup
	trust    atomic.Pointer[tls.Config] // what other nodes are dialled with; stored by learnAuthorities, nil: they speak no TLS
	silences tcp.Silences               // of the nodes that have rings of this process's
	adapters *rdma.Adapters
	opening  chan struct{} // holds a token while one caller opens the session

	mu      sync.Mutex
	current *session
	lines   map[*line]struct{}              // open ones, for Close
	known   map[string]api.Edge             // newest record seen of each edge that was asked for
	directs map[locator.NodeID]netip.Prefix // where nodes' adapters are, of those that say so; replaced, never changed
	trusted rdma.Trusted                    // as the own node has said; likewise
}

// Dial returns the client of the node at c.Socket, which must be there now; afterwards it may come and go. No session is
// opened until one is needed. ctx bounds Dial only.
func Dial(ctx context.Context, c Config) (*Client, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	cl := &Client{
		config: c, log: c.Logger, opening: make(chan struct{}, 1),
		lines: map[*line]struct{}{}, known: map[string]api.Edge{},
	}
	choice, err := rdma.ParseChoice(c.Fabric)
	if err != nil {
		return nil, err
	}
	cl.adapters = rdma.NewAdapters(c.Adapters, choice, c.Logger)
	if cl.route, err = newRoute(c.Socket, APIConfig{Timeout: c.TryTimeout, Credentials: cl.credentials, TLS: cl.trust.Load}); err != nil {
		return nil, err
	}
	var probe net.Dialer
	conn, err := probe.DialContext(ctx, "unix", c.Socket)
	if err != nil {
		return nil, explain(c.Socket, err)
	}
	conn.Close()
	cl.ctx, cl.stop = context.WithCancelCause(context.Background())
	cl.running.Go(func() { membarrier.Register() }) // takes the kernel tens of milliseconds, which the first ring need not wait for
	cl.news = newNews(cl)
	cl.learnNodes(ctx, cl.route.own)
	return cl, nil
}

// Close ends the session, and with it every claim, and stops what the client runs. Rings that are still attached stay mapped
// until their users close them. Idempotent.
func (c *Client) Close() error {
	c.stop(ErrClosed)
	c.mu.Lock()
	s := c.current
	lines := c.lines
	c.lines = nil // none may be added any more
	c.mu.Unlock()
	if s != nil {
		s.end()
	}
	for l := range lines {
		l.close()
	}
	c.running.Wait()
	c.route.close()
	return c.adapters.Close()
}

// Session returns the live session, opening one if there is none. It blocks while the node is away. After a session was
// lost the next call opens another.
func (c *Client) Session(ctx context.Context) (lease.Session, error) {
	s, err := c.live(ctx)
	if err != nil {
		return lease.Session{}, err
	}
	return lease.Session{ID: s.id, Lost: s.lost}, nil
}

func (c *Client) live(ctx context.Context) (*session, error) {
	if s := c.alive(); s != nil {
		return s, nil
	}
	ctx, cancel := c.until(ctx)
	defer cancel()
	select {
	case c.opening <- struct{}{}:
		defer func() { <-c.opening }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if s := c.alive(); s != nil {
		return s, nil
	}
	for {
		s, err := c.open(ctx)
		if !errors.Is(err, steps.ErrDeadline) { // welcomed too late to be of use
			return s, err
		}
	}
}

// until returns a context that ends with ctx and with the client.
func (c *Client) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.ctx, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// alive returns the session if there is a live one.
func (c *Client) alive() *session {
	c.mu.Lock()
	s := c.current
	c.mu.Unlock()
	if s == nil || s.over() {
		return nil
	}
	return s
}

// credentials are what requests are signed with.
func (c *Client) credentials() (lease.SessionID, string) {
	if s := c.alive(); s != nil {
		return s.id, s.token
	}
	return "", ""
}

// open opens a new session.
func (c *Client) open(ctx context.Context) (*session, error) {
	s := newSession(c)
	if !c.start(s.attend) {
		return nil, ErrClosed
	}
	select {
	case <-s.opened:
		c.mu.Lock()
		c.current = s
		c.mu.Unlock()
		if c.ctx.Err() != nil { // else Close has seen it
			s.end()
			return nil, ErrClosed
		}
		c.log.Info("session opened", "session", s.id, "node", s.node, "good_for", s.left())
		return s, nil
	case <-s.lost:
		return nil, s.why()
	case <-ctx.Done():
		last := s.why()
		s.end()
		if last == nil {
			return nil, fmt.Errorf("client: open session: %w", context.Cause(ctx))
		}
		return nil, fmt.Errorf("client: open session: %w; last: %w", context.Cause(ctx), last)
	}
}

// start runs f and has Close wait for it, unless the client is closed.
func (c *Client) start(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lines == nil {
		return false
	}
	c.running.Go(f)
	return true
}

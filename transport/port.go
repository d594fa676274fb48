package transport

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/tcpconn"
)

var errFull = errors.New("too many connections that are not Raft's")

var errNotAccepted = errors.New("nobody accepts connections of this use")

// port is the listener of one use.
type port struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	close sync.Once
}

func newPort(addr net.Addr) *port {
	return &port{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

// deliver blocks until c is accepted, and fails at limit.
func (p *port) deliver(c net.Conn, limit time.Time) error {
	late := time.NewTimer(time.Until(limit))
	defer late.Stop()
	select {
	case p.conns <- c:
		return nil
	case <-p.done:
		return net.ErrClosed
	case <-late.C:
		return errNotAccepted
	}
}

// Accept returns the next connection, or net.ErrClosed.
func (p *port) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close ends this use of the port: further connections of its kind are cut. Idempotent.
func (p *port) Close() error {
	p.close.Do(func() { close(p.done) })
	return nil
}

// Addr returns the address that other nodes use.
func (p *port) Addr() net.Addr { return p.addr }

// RaftLayer is what Raft listens and dials with: a raft.StreamLayer.
type RaftLayer struct {
	*port
	mux *Mux
}

var _ raft.StreamLayer = (*RaftLayer)(nil)

// Dial connects to another node's Raft. Zero timeout: none but the system's. The connection is cut by Mux.Close.
func (r *RaftLayer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx := r.mux.stop
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	raw, err := tcpconn.Dial(ctx, string(address), api.PrefaceRaft)
	if err != nil {
		return nil, err
	}
	c := &conn{TCPConn: raw.(*net.TCPConn), tracker: &r.mux.conns, dialled: true}
	if !r.mux.conns.admit(c) {
		return nil, errors.Join(net.ErrClosed, raw.Close())
	}
	if r.mux.cfg.Identity == nil {
		return c, nil
	}
	secured, err := identity.Dial(ctx, c, r.mux.cfg.Identity.Client())
	if err != nil {
		return nil, err
	}
	return &Secured{Conn: secured, plain: c, role: identity.Server}, nil
}

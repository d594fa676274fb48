package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/lease"
)

// ServeData serves one data connection, whose preface has been read: one side of a ring of this node's, for a session
// elsewhere. It returns when the side detaches, the ring ends or the connection breaks, and closes conn. A connection for which
// there is no room is told so. One with a method Proven, as package transport's, has it called when the session has shown its token.
func (h *Host) ServeData(conn net.Conn) error {
	if err := h.enterData(); err != nil {
		tcp.Server{TLS: h.config.TLS}.Refuse(conn, err)
		return fmt.Errorf("host: data connection: %w", err)
	}
	defer h.running.Done()
	d := &data{h: h, proven: func() {}}
	if c, ok := conn.(interface{ Proven() }); ok {
		d.proven = c.Proven
	}
	d.ctx, d.cancel = context.WithCancelCause(h.ctx)
	err := tcp.Server{Resolver: d, TLS: h.config.TLS, Silences: h.config.Silences, Direct: h.config.Direct}.Serve(d.ctx, conn)
	d.cancel(nil)
	h.leaveData(d)
	return err
}

// enterData counts a data connection, and has Close wait for it, which h.ctx ends.
func (h *Host) enterData() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.open || h.draining:
		return api.ErrUnavailable
	case h.data >= h.limits.DataMax:
		return api.Errorf(api.KindOverloaded, "this node serves %d data connections, as many as it takes: place rings on other nodes", h.data)
	}
	h.data++
	h.running.Add(1)
	return nil
}

func (h *Host) leaveData(d *data) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.data--
	if d.session != "" {
		if h.remote[d.session]--; h.remote[d.session] == 0 {
			delete(h.remote, d.session)
		}
	}
	if d.arena != nil {
		h.releaseLocked(d.arena, d.role)
	}
}

// data is the resolver of one data connection. It remembers what it gave, for ServeData to take back.
type data struct {
	h       *Host
	ctx     context.Context // ends with the connection
	cancel  context.CancelCauseFunc
	proven  func()          // to be called when the session is
	session lease.SessionID // in whose count the connection is
	arena   *arena
	role    fabric.Role
}

// Resolve finds the ring that a remote side asks for, if it may have it. See tcp.Resolver.
func (d *data) Resolve(ctx context.Context, hello tcp.Hello) (fabric.Arena, error) {
	if d.session != "" {
		return nil, errors.New("a data connection carries one side")
	}
	if err := d.identify(ctx, hello); err != nil {
		return nil, err
	}
	w := want{
		edge: hello.Edge, generation: hello.Generation, arena: hello.Arena, role: hello.Role, session: hello.Session,
		revision: hello.Revision,
	}
	a, err := d.h.attach(ctx, w)
	if err != nil {
		return nil, err
	}
	d.arena, d.role = a, hello.Role
	context.AfterFunc(a.ctx, func() { d.expire(a) })
	return a.mem, nil
}

// identify finds out that the session is whose token it shows, and counts the connection as its.
func (d *data) identify(ctx context.Context, hello tcp.Hello) error {
	h := d.h
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	if err := h.waitApplied(ctx, hello.Revision); err != nil {
		return err
	}
	if !h.authorised(hello.Session, hello.Token) {
		return fmt.Errorf("session %q: %w", hello.Session, tcp.ErrUnauthorised)
	}
	d.proven()
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := h.remote[hello.Session]; n >= h.config.DataPerSessionMax {
		return api.Errorf(api.KindOverloaded,
			"session %s has %d data connections to this node, as many as one may: place its rings on more nodes, or its edges in more processes",
			hello.Session, n)
	}
	h.remote[hello.Session]++
	d.session = hello.Session
	return nil
}

// expire ends the connection some time after its ring: a side that takes its time is not to hold the memory for as long as it
// likes.
func (d *data) expire(a *arena) {
	late := time.NewTimer(d.h.config.DataGrace)
	defer late.Stop()
	select {
	case <-late.C:
		d.cancel(a.reason())
	case <-d.ctx.Done():
	}
}

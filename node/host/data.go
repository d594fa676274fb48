package host

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/tcp"
)

// ServeData serves one data connection, whose preface has been read: one side of a ring of this node's, for a session
// elsewhere. It returns when the side detaches, the ring ends or the connection breaks, and closes conn.
func (h *Host) ServeData(conn net.Conn) error {
	if !h.enterData() {
		conn.Close()
		return fmt.Errorf("host: data connection: %w", api.ErrUnavailable)
	}
	defer h.running.Done()
	d := &data{h: h}
	err := tcp.Serve(h.ctx, conn, d)
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.arena != nil {
		h.releaseLocked(d.arena, d.role)
	}
	return err
}

// enterData has Close wait for a data connection, which h.ctx ends.
func (h *Host) enterData() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.open || h.draining {
		return false
	}
	h.running.Add(1)
	return true
}

// data is the resolver of one data connection. It remembers what it gave, for ServeData to take back.
type data struct {
	h     *Host
	arena *arena
	role  fabric.Role
}

// Resolve finds the ring that a remote side asks for, if it may have it. See tcp.Resolver.
func (d *data) Resolve(ctx context.Context, hello tcp.Hello) (fabric.Arena, error) {
	if d.arena != nil {
		return nil, errors.New("a data connection carries one side")
	}
	w := want{
		edge: hello.Edge, generation: hello.Generation, arena: hello.Arena, role: hello.Role, session: hello.Session,
		token: hello.Token, revision: hello.Revision,
	}
	a, err := d.h.attach(ctx, w)
	if err != nil {
		return nil, err
	}
	d.arena, d.role = a, hello.Role
	return a.mem, nil
}

package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
)

const (
	helloTimeout   = 5 * time.Second
	refuseTimeout  = time.Second
	resolveTimeout = 10 * time.Second
)

// Resolver finds the ring that a remote side asks for. Package node/host has one.
type Resolver interface {
	// Resolve returns h's arena if h.Session, which shows h.Token, holds that side of it at that generation, and an error
	// otherwise: ErrUnauthorised, a loss of package fabric, or an error of package api; the remote side gets it. It may block
	// until the node knows h.Revision, but no longer than ctx. Safe for concurrent use. The arena stays the Resolver's.
	Resolve(ctx context.Context, h Hello) (fabric.Arena, error)
}

// Server is how an owner serves.
type Server struct {
	Resolver Resolver
	// TLS, if not nil, is what connections must speak: TLS 1.3, right after the preface.
	TLS *tls.Config
	// Silences, if not nil, counts the processes that are given up for their silence.
	Silences *Silences
	// Direct, if not nil, accepts ways past the connection.
	Direct Direct
}

// Serve is Server.Serve without TLS.
func Serve(ctx context.Context, conn net.Conn, r Resolver) error {
	return Server{Resolver: r}.Serve(ctx, conn)
}

// Serve attaches the remote side at the other end of conn, from which the preface has been read, to a ring of this process,
// and carries its records and notes until it detaches, the ring is lost, the connection breaks, or ctx ends. It opens the side
// of the ring and closes it when it returns, and closes conn. It returns nil if the remote side detached in good order, else
// why it ended; the remote side knows as much. Serve uses a goroutine besides the caller's and those that all share, and 16 KiB at most, whatever the
// other end sends, and a share of the large buffers of the process; TLS takes about 50 KiB more.
func (s Server) Serve(ctx context.Context, conn net.Conn) error {
	l, h, err := s.serve(ctx, conn)
	l.in.giveBack()
	if closing := l.conn.Close(); err == nil && !errors.Is(closing, net.ErrClosed) {
		err = closing
	}
	switch {
	case err == nil:
		return nil
	case h == Hello{}:
		return fmt.Errorf("data connection from %s: %w", conn.RemoteAddr(), err)
	}
	return &ServeError{Edge: h.Edge, Generation: h.Generation, Role: h.Role, Err: fmt.Errorf("data connection from %s: %s: %w", conn.RemoteAddr(), h.side(), err)}
}

// ServeError is how a connection ended whose other end had said which side of which ring it wants.
type ServeError struct {
	Edge       string
	Generation fence.Epoch
	Role       fabric.Role
	Err        error // says all of it
}

// Error returns the text of Err.
func (e *ServeError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *ServeError) Unwrap() error { return e.Err }

// Refuse tells who is at the other end of conn why it is not served, without reading what it wants, and closes conn. It may block
// for a second; that the word arrives is likely, no more.
func (s Server) Refuse(conn net.Conn, why error) {
	defer func() { _ = conn.Close() }() // what fails here is the other end's loss
	_ = conn.SetDeadline(time.Now().Add(refuseTimeout))
	heard := conn
	if s.TLS != nil {
		heard = tls.Server(conn, tls13(s.TLS))
	}
	_ = writeMessage(heard, answer{Error: refusal(why)})
}

func (s Server) serve(ctx context.Context, conn net.Conn) (*link, Hello, error) {
	l := newLink(conn)
	if s.TLS != nil {
		ctx, cancel := context.WithTimeout(ctx, helloTimeout)
		defer cancel()
		conn, err := secure(ctx, conn, s.TLS, tls.Server)
		if err != nil {
			return l, Hello{}, err
		}
		l = newLink(conn)
	}
	h, arena, err := receiveHello(ctx, l, s.Resolver)
	if err != nil {
		return l, h, l.fail(err) // or why ctx ended, which came before
	}
	l.peer, l.silences = processOf(h.Pulse), s.Silences
	return l, h, serveSide(ctx, l, h, arena, s.Direct)
}

// receiveHello reads who is there and asks r for the ring. If it fails the other end has been told.
func receiveHello(ctx context.Context, l *link, r Resolver) (Hello, fabric.Arena, error) {
	stop := context.AfterFunc(ctx, func() { l.fail(context.Cause(ctx)) })
	defer stop()
	if err := l.conn.SetDeadline(time.Now().Add(helloTimeout)); err != nil {
		return Hello{}, nil, err
	}
	h, err := readHello(&l.in)
	if err != nil {
		return h, nil, l.refuse(err)
	}
	arena, err := l.resolve(ctx, h, r)
	if err != nil {
		return h, nil, l.refuse(err)
	}
	if c := arena.Config(); c.Arena != h.Arena || c.Generation != h.Generation || c.Edge != h.Edge {
		return h, nil, l.refuse(fmt.Errorf("arena %s is of edge %s, generation %d: %w", c.Arena, c.Edge, c.Generation, fabric.ErrSealed))
	}
	return h, arena, nil
}

// resolve asks r for the ring, and shows life meanwhile.
func (l *link) resolve(ctx context.Context, h Hello, r Resolver) (fabric.Arena, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	defer l.showLife(h)()
	return r.Resolve(ctx, h)
}

// showLife shows life to who waits for the answer, until the function that it returns is called.
func (l *link) showLife(h Hello) (stop func()) {
	var showing sync.WaitGroup
	done := make(chan struct{})
	showing.Go(func() {
		ticker := time.NewTicker(h.Heartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			if l.conn.SetWriteDeadline(time.Now().Add(h.Heartbeat)) != nil {
				return
			}
			if _, err := l.conn.Write(make([]byte, 4)); err != nil { // an empty message
				return
			}
		}
	})
	return func() {
		close(done)
		showing.Wait()
	}
}

// refuse answers a Hello with err, and returns err.
func (l *link) refuse(err error) error {
	return l.answer(answer{Error: refusal(err)}, err)
}

func (l *link) answer(a answer, err error) error {
	if e := l.conn.SetDeadline(time.Now().Add(helloTimeout)); e != nil {
		return errors.Join(err, e)
	}
	if e := writeMessage(l.conn, a); e != nil {
		return errors.Join(err, e)
	}
	return err
}

// serveSide opens the side that h wants and serves it.
func serveSide(ctx context.Context, l *link, h Hello, arena fabric.Arena, d Direct) error {
	e, err := openEnd(l, h.Role, arena)
	if err != nil {
		return l.refuse(err)
	}
	said := answer{Capacity: arena.Config().Capacity, Process: process}
	if p, ok := e.(*producerEnd); ok {
		stop := l.showLife(h) // to pin a large ring, or to find out that the other adapter is not reached, may take the kernel a second
		said.Accepted, said.NotDirect = p.accept(d, h)
		stop()
	}
	if err := l.answer(said, nil); err != nil {
		return errors.Join(err, e.close())
	}
	if err := l.conn.SetDeadline(time.Time{}); err != nil {
		return errors.Join(err, e.close())
	}
	l.attach(h)
	l.join(true)
	s := session{l: l, end: e}
	return s.run(ctx)
}

func openEnd(l *link, role fabric.Role, arena fabric.Arena) (end, error) {
	if role == fabric.RoleProducer {
		ring, err := arena.Producer()
		if err != nil {
			return nil, err
		}
		if ring, ok := ring.(writeEnd); ok {
			return newProducerEnd(l, arena, ring), nil
		}
		return nil, errors.Join(errNoStretches(ring), ring.Close())
	}
	ring, err := arena.Consumer()
	if err != nil {
		return nil, err
	}
	if ring, ok := ring.(readEnd); ok {
		return &consumerEnd{l: l, ring: ring}, nil
	}
	return nil, errors.Join(errNoStretches(ring), ring.Close())
}

func errNoStretches(ring any) error {
	return fmt.Errorf("a %T cannot be attached from another host: %w", ring, fabric.ErrUnsupported)
}

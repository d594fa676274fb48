package party

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/shm"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/fdconn"
	"github.com/grafnode/grafnode/internal/proc"
	"github.com/grafnode/grafnode/lease"
)

// Edge is the name of every measured edge, Generation its rings'.
const (
	Edge                   = "bench"
	Generation fence.Epoch = 1
)

// Arena makes a ring of capacity bytes.
func Arena(capacity int) (*shm.Arena, error) {
	return shm.New(fabric.Config{Arena: lease.NewID().Arena(), Edge: Edge, Generation: Generation, Capacity: capacity})
}

// grant travels to a holder beside the side's descriptors; an answer, and what follows it, are empty.
type grant struct {
	Config fabric.Config `json:"config"`
	Role   fabric.Role   `json:"role"`
}

const frameMax = 1 << 16

// Line is the node's end of the socket to a holder, and the other end, which is the holder's to inherit.
type Line struct {
	conn   *fdconn.Conn
	Theirs *os.File
}

// NewLine makes a socket in dir.
func NewLine(dir string) (*Line, error) {
	path := filepath.Join(dir, "line.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer l.Close() // and removes it
	dialed, err := net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr))
	if err != nil {
		return nil, err
	}
	defer dialed.Close()
	accepted, err := l.AcceptUnix()
	if err != nil {
		return nil, err
	}
	theirs, err := dialed.File()
	if err != nil {
		return nil, errors.Join(err, accepted.Close())
	}
	return &Line{conn: fdconn.New(accepted, fdconn.Config{FrameMax: frameMax}), Theirs: theirs}, nil
}

// Close closes both ends. Idempotent.
func (l *Line) Close() error {
	if err := l.Theirs.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return errors.Join(err, l.conn.Close())
	}
	return l.conn.Close()
}

// Grant is a side of a ring, and the line to its holder.
type Grant struct {
	Line  *Line
	Arena *shm.Arena
	Role  fabric.Role
}

// Hand gives every side to its holder, whose process has been started. It returns when all can be used, or ctx ends.
func Hand(ctx context.Context, grants ...Grant) error {
	for _, g := range grants {
		_ = g.Line.Theirs.Close() // so that a holder's end is noticed; a holder of two sides has one line
		defer context.AfterFunc(ctx, func() { _ = g.Line.conn.Close() })()
	}
	for _, g := range grants {
		if err := g.open(); err != nil {
			return fmt.Errorf("hand over the %s: %w", g.Role, err)
		}
	}
	for _, g := range grants {
		for _, role := range []fabric.Role{fabric.RoleProducer, fabric.RoleConsumer} { // one may come over the network
			if err := g.Arena.WaitMapped(ctx, role); err != nil {
				return err
			}
		}
		peer, err := g.Arena.PeerFile(g.Role)
		if err != nil {
			return err
		}
		if err := errors.Join(g.Line.conn.Send(struct{}{}, peer), peer.Close()); err != nil {
			return fmt.Errorf("bind the %s: %w", g.Role, err)
		}
	}
	return nil
}

func (g Grant) open() error {
	files, err := g.Arena.Grant(g.Role)
	if err != nil {
		return err
	}
	err = g.Line.conn.Send(grant{g.Arena.Config(), g.Role}, files.List()...)
	files.Close()
	if err != nil {
		return err
	}
	if _, err := g.Line.conn.Receive(&struct{}{}); err != nil {
		return err
	}
	return g.Arena.Mapped(g.Role)
}

// Sides are what a holder was given: at most one of each role.
type Sides struct {
	Config   fabric.Config
	Producer fabric.Producer
	Consumer fabric.Consumer
	binds    []func(*os.File) error
}

// Close detaches.
func (s *Sides) Close() (err error) {
	if s.Producer != nil {
		err = s.Producer.Close()
	}
	if s.Consumer != nil {
		err = errors.Join(err, s.Consumer.Close())
	}
	return err
}

// Hold is the other end of Hand, for a process that was started with a Line: it takes n sides. They stay the caller's to close,
// also when it fails.
func Hold(n int) (*Sides, error) {
	s := &Sides{}
	inherited := os.NewFile(proc.FilesFD, "line")
	sock, err := net.FileConn(inherited)
	if err != nil {
		return s, fmt.Errorf("descriptor %d is no line: %w", proc.FilesFD, err)
	}
	if err := inherited.Close(); err != nil {
		return s, err
	}
	unix, ok := sock.(*net.UnixConn)
	if !ok {
		return s, errors.Join(fmt.Errorf("descriptor %d is a %T, not a line", proc.FilesFD, sock), sock.Close())
	}
	conn := fdconn.New(unix, fdconn.Config{FrameMax: frameMax})
	defer conn.Close()
	for range n {
		if err := s.open(conn); err != nil {
			return s, err
		}
	}
	for _, bind := range s.binds {
		files, err := conn.Receive(&struct{}{})
		if err != nil {
			return s, err
		}
		if len(files) != 1 {
			fdconn.CloseFiles(files)
			return s, fmt.Errorf("%d descriptors of a peer", len(files))
		}
		if err := bind(files[0]); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *Sides) open(conn *fdconn.Conn) error {
	var g grant
	list, err := conn.Receive(&g)
	if err != nil {
		return err
	}
	files, err := shm.FilesOf(list)
	if err != nil {
		fdconn.CloseFiles(list)
		return err
	}
	s.Config = g.Config
	if g.Role == fabric.RoleProducer {
		p, err := shm.OpenProducer(g.Config, files)
		if err != nil {
			return err
		}
		s.Producer, s.binds = p, append(s.binds, p.BindPeer)
	} else {
		c, err := shm.OpenConsumer(g.Config, files)
		if err != nil {
			return err
		}
		s.Consumer, s.binds = c, append(s.binds, c.BindPeer)
	}
	return conn.Send(struct{}{})
}

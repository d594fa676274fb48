package ledger

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/lease"
)

// A request is four numbers of eight bytes, little-endian: epoch, from, count, newest; with a count of zero it claims. The answer is
// one: the last number that was committed, or refused.
const (
	requestBytes = 4 * 8
	answerBytes  = 8
	refused      = ^uint64(0)
)

// Server serves a ledger.
type Server struct {
	l   *net.UnixListener
	all sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
	ledger *Ledger
}

// Serve begins to serve at a path. Use gives it a ledger.
func Serve(path string) (*Server, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	s := &Server{l: l, conns: map[net.Conn]struct{}{}, ledger: New()}
	s.all.Go(s.accept)
	return s, nil
}

// Use serves another ledger to whoever connects from now on.
func (s *Server) Use(l *Ledger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger = l
}

// Close ends all connections, and waits for what serves them. Idempotent.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	err := s.l.Close()
	s.all.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *Server) accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			_ = c.Close()
		} else {
			s.conns[c] = struct{}{}
			ledger := s.ledger
			s.all.Go(func() { s.serve(c, ledger) })
		}
		s.mu.Unlock()
	}
}

func (s *Server) serve(c net.Conn, l *Ledger) {
	defer func() {
		_ = c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	in := bufio.NewReader(c)
	var request [requestBytes]byte
	var answer [answerBytes]byte
	for {
		if _, err := io.ReadFull(in, request[:]); err != nil {
			return
		}
		binary.LittleEndian.PutUint64(answer[:], l.do(request))
		if _, err := c.Write(answer[:]); err != nil {
			return
		}
	}
}

func (l *Ledger) do(request [requestBytes]byte) (answer uint64) {
	number := func(i int) uint64 { return binary.LittleEndian.Uint64(request[8*i:]) }
	b := Batch{Epoch: number(0), From: number(1), N: number(2), Newest: lease.Instant(number(3))}
	var err error
	if b.N == 0 {
		answer, err = l.Claim(b.Epoch)
	} else {
		answer, err = b.From+b.N-1, l.Commit(b, boottime.Now())
	}
	if err != nil {
		return refused
	}
	return answer
}

// Client is a writer's end. One goroutine uses it.
type Client struct {
	conn net.Conn
	buf  [requestBytes]byte
}

// Dial connects to the ledger at a path.
func Dial(path string) (*Client, error) {
	c, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	return &Client{conn: c}, nil
}

// Claim is Ledger.Claim.
func (c *Client) Claim(epoch uint64) (last uint64, err error) { return c.ask(Batch{Epoch: epoch}) }

// Commit is Ledger.Commit, now.
func (c *Client) Commit(b Batch) error {
	_, err := c.ask(b)
	return err
}

func (c *Client) ask(b Batch) (uint64, error) {
	for i, v := range []uint64{b.Epoch, b.From, b.N, uint64(b.Newest)} {
		binary.LittleEndian.PutUint64(c.buf[8*i:], v)
	}
	if _, err := c.conn.Write(c.buf[:]); err != nil {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	if _, err := io.ReadFull(c.conn, c.buf[:answerBytes]); err != nil {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	if v := binary.LittleEndian.Uint64(c.buf[:]); v != refused {
		return v, nil
	}
	return 0, ErrFenced
}

// Close disconnects.
func (c *Client) Close() error { return c.conn.Close() }

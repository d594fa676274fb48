package membership

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"

	"github.com/grafnode/grafnode/internal/refusals"
	"github.com/grafnode/grafnode/internal/tcpconn"
)

// memberlist reads what comes by TCP, which is a whole state, before it knows whether it is encrypted by a key of the cluster. So anybody may have it read, but not
// by as many connections as he likes, nor as much. Each lasts for Timing.Stream at most, and a member needs one in a while.
const (
	streamsMax     = 64
	peerStreamsMax = 16
	// streamBytesMax is what knownMax members and their metadata take, with room to spare.
	streamBytesMax = 4 << 20
)

var errLongStream = errors.New("more than any member has to say")

// streams are the connections that others have opened.
type streams struct {
	log   *slog.Logger
	taken chan net.Conn
	done  chan struct{}
	task  sync.WaitGroup

	mu   sync.Mutex
	open int
	of   map[netip.Prefix]int // by peer
}

// openStreams takes on connections from accepted until it is closed.
func openStreams(accepted <-chan net.Conn, log *slog.Logger) *streams {
	s := &streams{log: log, taken: make(chan net.Conn), done: make(chan struct{}), of: map[netip.Prefix]int{}}
	s.task.Go(func() { s.run(accepted) })
	return s
}

func (s *streams) close() {
	close(s.done)
	s.task.Wait()
}

func (s *streams) run(accepted <-chan net.Conn) {
	for {
		select {
		case <-s.done:
			return
		case c := <-accepted:
			s.take(c)
		}
	}
}

func (s *streams) take(c net.Conn) {
	from := tcpconn.Peer(c)
	if !s.enter(from) {
		s.log.Warn("gossip with a peer refused: it has too many connections, or all have", refusals.Peer, from.Addr().String(), "address", c.RemoteAddr().String())
		_ = c.Close() // refused; nothing was promised
		return
	}
	taken := &stream{Conn: c, left: streamBytesMax, leave: sync.OnceFunc(func() { s.leave(from) })}
	select {
	case s.taken <- taken:
	case <-s.done:
		_ = taken.Close() // nobody will read it
	}
}

func (s *streams) enter(from netip.Prefix) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= streamsMax || s.of[from] >= peerStreamsMax {
		return false
	}
	s.open++
	s.of[from]++
	return true
}

func (s *streams) leave(from netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.of[from]--; s.of[from] == 0 {
		delete(s.of, from)
	}
}

// stream is a connection that others have opened. One goroutine reads it.
type stream struct {
	net.Conn
	left  int // bytes that may come
	leave func()
}

// Read fails when more has come than there can be.
func (s *stream) Read(b []byte) (int, error) {
	if s.left <= 0 {
		return 0, errLongStream
	}
	n, err := s.Conn.Read(b[:min(len(b), s.left)])
	s.left -= n
	return n, err
}

// Close closes the connection, which no longer counts then.
func (s *stream) Close() error {
	err := s.Conn.Close()
	s.leave()
	return err
}

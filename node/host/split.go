package host

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/fdconn"
	"github.com/grafnode/grafnode/internal/refusals"
)

const (
	prefaceTimeout = 5 * time.Second
	unsortedMax    = 256 // connections that have not said yet what they are
	// acceptTimeout is how long a connection waits to be accepted: who has given up meanwhile cannot be told from who still waits.
	acceptTimeout = 5 * time.Second
	waitingMax    = SessionsMax // connections of one protocol that wait so
	// guestMax is how many connections one user may have who is neither root nor the node's own: far from all that are unsorted, and from
	// the descriptors that the node has.
	guestMax = 64
)

// Split serves two protocols on the node's one Unix socket: sessions, which begin with api.PrefaceSession, and HTTP.
type Split struct {
	listener *net.UnixListener
	log      *slog.Logger
	sessions *queue
	http     *queue
	unsorted chan struct{}
	guests   guests
	done     chan struct{}
	running  sync.WaitGroup
	once     sync.Once
}

// NewSplit returns a Split of l, which it owns from now on. Open starts it.
func NewSplit(l *net.UnixListener, log *slog.Logger) *Split {
	s := &Split{listener: l, log: log, unsorted: make(chan struct{}, unsortedMax), done: make(chan struct{})}
	s.sessions, s.http = newQueue(s), newQueue(s)
	return s
}

// Sessions returns the listener of connections whose session preface has been read.
func (s *Split) Sessions() net.Listener { return s.sessions }

// HTTP returns the listener of all other connections, from their first byte.
func (s *Split) HTTP() net.Listener { return s.http }

// Open starts accepting. Connections wait a while for somebody to accept them from their listener.
func (s *Split) Open() { s.running.Go(s.accept) }

// Close closes the socket and the connections that nobody has accepted yet. Idempotent.
func (s *Split) Close() error {
	s.once.Do(func() {
		close(s.done)
		s.listener.Close()
	})
	s.running.Wait()
	return nil
}

func (s *Split) accept() {
	for {
		select {
		case s.unsorted <- struct{}{}:
		case <-s.done:
			return
		}
		conn, err := s.listener.AcceptUnix()
		if err != nil {
			<-s.unsorted
			if errors.Is(err, net.ErrClosed) {
				return
			}
			s.log.Error("accept on the node's socket", "err", err) // out of descriptors, most likely
			select {
			case <-time.After(50 * time.Millisecond):
			case <-s.done:
				return
			}
			continue
		}
		leave, ok := s.guests.enter(conn)
		if !ok {
			s.log.Warn("a user of this host has too many connections", refusals.Peer, user(conn), "at_most", guestMax)
			conn.Close()
			<-s.unsorted
			continue
		}
		s.running.Go(func() {
			conn := &accepted{UnixConn: conn, leave: leave}
			to, err := s.sort(conn)
			<-s.unsorted // first: while nobody accepts sessions, HTTP is served
			if err != nil || !to.deliver(conn) {
				conn.Close() // said nothing in time, went away, or is not wanted
			}
		})
	}
}

// sort finds out what a connection is for.
func (s *Split) sort(conn *accepted) (*queue, error) {
	sorted := make(chan struct{})
	defer close(sorted)
	s.running.Go(func() {
		select {
		case <-s.done:
			conn.SetReadDeadline(time.Unix(1, 0)) // ends sniffing
		case <-sorted:
		}
	})
	got, session, err := sniff(conn.UnixConn)
	if session {
		return s.sessions, err
	}
	conn.first = got
	return s.http, err
}

// sniff reads as much of the session preface as conn sends, and not a byte beyond: descriptors may follow it.
func sniff(conn *net.UnixConn) (got []byte, session bool, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(prefaceTimeout)); err != nil {
		return nil, false, err
	}
	buffer := make([]byte, len(api.PrefaceSession))
	n := 0
	for n < len(buffer) && string(buffer[:n]) == api.PrefaceSession[:n] {
		more, err := conn.Read(buffer[n:])
		if err != nil {
			return nil, false, err
		}
		n += more
	}
	return buffer[:n], string(buffer[:n]) == api.PrefaceSession, conn.SetReadDeadline(time.Time{})
}

// accepted is a connection to the socket.
type accepted struct {
	*net.UnixConn
	first []byte // that have been read already
	leave func() // called once it is closed
}

// Read returns the first bytes, then what the connection has.
func (a *accepted) Read(b []byte) (int, error) {
	if len(a.first) > 0 {
		n := copy(b, a.first)
		a.first = a.first[n:]
		return n, nil
	}
	return a.UnixConn.Read(b)
}

// Close closes the connection, which no longer counts then.
func (a *accepted) Close() error {
	err := a.UnixConn.Close()
	a.leave()
	return err
}

// Peer says who is at the other end of a connection that a Split has given out.
func Peer(conn net.Conn) (fdconn.Credentials, error) {
	if a, ok := conn.(*accepted); ok {
		return fdconn.Peer(a.UnixConn)
	}
	return fdconn.Credentials{}, fmt.Errorf("a connection over %s: %w", conn.LocalAddr().Network(), errors.ErrUnsupported)
}

// guests counts the connections of users who are neither root nor the node's own.
type guests struct {
	mu    sync.Mutex
	count map[int]int // by user
}

// enter counts a connection until leave is called, for the first time. It is false if the user has as many as he may have.
func (g *guests) enter(conn *net.UnixConn) (leave func(), ok bool) {
	who, err := fdconn.Peer(conn)
	if err != nil || who.UID == 0 || who.UID == os.Getuid() {
		return func() {}, true // where the system does not say, the socket's mode has decided
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count[who.UID] >= guestMax {
		return nil, false
	}
	if g.count == nil {
		g.count = map[int]int{}
	}
	g.count[who.UID]++
	return sync.OnceFunc(func() { g.left(who.UID) }), true
}

func (g *guests) left(uid int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count[uid]--; g.count[uid] == 0 {
		delete(g.count, uid)
	}
}

// queue is the listener of one protocol.
type queue struct {
	split   *Split
	conns   chan net.Conn
	waiting chan struct{} // a token for each connection that is not accepted yet
	done    chan struct{}
	once    sync.Once
}

func newQueue(s *Split) *queue {
	return &queue{split: s, conns: make(chan net.Conn), waiting: make(chan struct{}, waitingMax), done: make(chan struct{})}
}

// deliver waits until a connection is accepted. It is false if it is not: for too long, while too many wait, or for ever.
func (q *queue) deliver(conn net.Conn) bool {
	select {
	case q.waiting <- struct{}{}:
		defer func() { <-q.waiting }()
	default:
		return false
	}
	late := time.NewTimer(acceptTimeout)
	defer late.Stop()
	select {
	case q.conns <- conn:
		return true
	case <-late.C:
	case <-q.done:
	case <-q.split.done:
	}
	return false
}

// Accept waits for the next connection of this protocol.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
	case <-q.split.done:
	}
	return nil, net.ErrClosed
}

// Close ends Accept; later connections of this protocol are closed at once. The socket stays the Split's.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

// Addr returns the socket's address.
func (q *queue) Addr() net.Addr { return q.split.listener.Addr() }

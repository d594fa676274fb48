package host

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/internal/membarrier"
	"github.com/grafnode/grafnode/internal/refusals"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Host is the node's end of its stages. All methods are safe for concurrent use.
type Host struct {
	config Config
	log    *slog.Logger
	now    func() lease.Instant

	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	running sync.WaitGroup
	applied chan struct{} // the state has changed; holds one
	soon    chan struct{} // a renewal should not wait for its turn; holds one

	mu       sync.Mutex // guards what follows; never held over I/O
	open     bool
	draining bool
	limits   Limits
	conns    map[net.Conn]struct{} // of sessions
	sessions map[lease.SessionID]*session
	ending   map[lease.SessionID]struct{} // whose end the cluster has not confirmed yet
	arenas   map[locator.ArenaID]*arena
	used     uint64                  // bytes of the arenas that have memory
	data     int                     // data connections
	remote   map[lease.SessionID]int // of those, by session, once that has shown its token
}

// New returns a host that does nothing yet.
func New(c Config) (*Host, error) {
	c = c.withDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	h := &Host{
		config: c, log: c.Logger, now: boottime.Now, limits: c.Limits,
		applied: make(chan struct{}, 1), soon: make(chan struct{}, 1),
		conns: map[net.Conn]struct{}{}, sessions: map[lease.SessionID]*session{},
		ending: map[lease.SessionID]struct{}{}, arenas: map[locator.ArenaID]*arena{},
		remote: map[lease.SessionID]int{},
	}
	h.ctx, h.stop = context.WithCancel(context.Background())
	return h, nil
}

// Open starts following the state.
func (h *Host) Open() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open || h.ctx.Err() != nil {
		return errors.New("host: opened twice, or closed")
	}
	h.open = true
	h.running.Go(h.follow)
	h.running.Go(func() { membarrier.Register() }) // takes the kernel tens of milliseconds, which the first ring need not wait for
	h.Applied()
	return nil
}

// Close closes all connections and lets go of the rings without sealing them: to the stages it is as if the node had
// crashed. Their sessions and their mapped rings last until their deadlines, and a node that is back before then takes them
// over again. Idempotent.
func (h *Host) Close() error {
	h.stop()
	h.mu.Lock()
	h.open = false
	for c := range h.conns {
		c.Close()
	}
	h.mu.Unlock()
	h.running.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, a := range h.arenas {
		a.abandon()
		delete(h.arenas, id)
	}
	return nil
}

// Drain readies the node for going away for good: no side is attached any more, and all rings are sealed, so that their
// edges move now and not when they notice. Sessions go on.
func (h *Host) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
	for _, a := range h.arenas {
		h.endLocked(a, fabric.ErrSealed)
	}
}

// Serve accepts sessions from l, a Split's, until l or the host is closed.
func (h *Host) Serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			if h.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		sock, ok := conn.(*accepted)
		if !ok || !h.admit(sock) {
			conn.Close()
			continue
		}
	}
}

// admit starts serving a connection, unless there are too many or the host is not open.
func (h *Host) admit(sock *accepted) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.open || len(h.conns) >= h.limits.SessionsMax {
		h.log.Warn("session refused: too many, or the node is stopping", refusals.Peer, user(sock.UnixConn), "open", h.open, "connections", len(h.conns), "at_most", h.limits.SessionsMax)
		return false
	}
	h.conns[sock] = struct{}{}
	h.running.Go(func() {
		h.serveSession(sock.UnixConn)
		sock.Close()
		h.mu.Lock()
		delete(h.conns, sock)
		h.mu.Unlock()
	})
	return true
}

// Limit sets how much the host takes on from now on. What there is stays, though it is more.
func (h *Host) Limit(l Limits) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.limits = l.withDefaults()
}

// Applied says that the state has changed. It does not block.
func (h *Host) Applied() { signal(h.applied) }

// RenewSoon delivers when a renewal should be sent without waiting for its turn: a new ring has no deadline yet.
func (h *Host) RenewSoon() <-chan struct{} { return h.soon }

// signal puts a token into a channel that holds one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// follow brings what there is here in line with the state, each time that it changes.
func (h *Host) follow() {
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-h.applied:
		}
		h.reconcileArenas()
		h.reconcileSessions()
	}
}

// Renewable returns the leases and sessions that the next renewal should name: rings that wait for their first deadline or
// have a side attached, and sessions that beat lately.
func (h *Host) Renewable() (leases []lease.ID, sessions []lease.SessionID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.arenas {
		if h.renewableLocked(a) {
			leases = append(leases, a.ring.Lease)
		}
	}
	now := h.now()
	for id, s := range h.sessions {
		if s.lively(now) {
			sessions = append(sessions, id)
		}
	}
	return leases, sessions
}

// Renewed takes in the answer to a renewal that was asked for at asked. Deadlines count from then.
func (h *Host) Renewed(asked lease.Instant, r api.RenewResponse) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, d := range r.Leases {
		if a, ok := h.arenas[id.Arena()]; ok {
			a.confirm(asked, d)
		}
	}
	for id, d := range r.Sessions {
		if s, ok := h.sessions[id]; ok {
			h.extendLocked(s, lease.HolderDeadline(asked, d))
		}
	}
	for id, status := range r.Ended {
		if a, ok := h.arenas[locator.ArenaID(id)]; ok {
			h.endLocked(a, sealReason(status))
		}
		if s, ok := h.sessions[lease.SessionID(id)]; ok {
			h.loseLocked(s)
		}
	}
}

// authorised reports whether token is that of a live session, wherever its process is.
func (h *Host) authorised(id lease.SessionID, token string) bool {
	session, ok := h.config.State.Session(id)
	return ok && sha256.Sum256([]byte(token)) == session.TokenSum
}

// within bounds what is done for one request.
func (h *Host) within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(h.ctx, d)
}

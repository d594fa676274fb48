package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/fdconn"
	"github.com/grafnode/grafnode/internal/refusals"
	"github.com/grafnode/grafnode/lease"
)

const (
	sendTimeout  = 5 * time.Second // a stage that takes no bytes for so long is cut off
	helloTimeout = 5 * time.Second
	underWayMax  = 1024 // requests of one session that wait for something
)

// session is one stage process and its connection. The fields below host.mu's line are guarded by it.
type session struct {
	h        *Host
	conn     *fdconn.Conn
	id       lease.SessionID
	stage    string
	pid      int
	user     string // whose process it is, for the log
	ttl      time.Duration
	ctx      context.Context // ends with the connection
	underWay chan struct{}   // a token for each request that waits
	renewed  chan struct{}   // closed with the first renewal

	// guarded by host.mu
	beat     lease.Instant // last sign of life
	deadline lease.Instant
	lost     bool                               // the cluster has ended it; the connection stays, and says when the process's memory is free
	asking   map[*api.Attach]context.CancelFunc // attaches under way: each is given up by its Detach
}

// serveSession serves one connection from hello to its end.
func (h *Host) serveSession(sock *net.UnixConn) {
	conn := fdconn.New(sock, fdconn.Config{FrameMax: api.SessionFrameMax, RefuseUnknown: true, SendTimeout: sendTimeout})
	s, err := h.greet(conn, sock)
	if errors.Is(err, errProbe) || errors.Is(err, net.ErrClosed) { // by this node, which stops
		return
	}
	if err != nil {
		h.log.Warn("session refused", refusals.Peer, user(sock), "err", err)
		return
	}
	h.log.Info("session opened", "session", s.id, "stage", s.stage, "pid", s.pid)
	ctx, cancel := context.WithCancel(h.ctx)
	s.ctx = ctx
	err = s.serve()
	cancel()
	h.depart(s, err)
}

// user names whose connection this is.
func user(sock *net.UnixConn) string {
	who, err := fdconn.Peer(sock)
	if err != nil {
		return "a user of this host"
	}
	return fmt.Sprint("user ", who.UID)
}

// admitPeer finds out who is at the other end, and what that one's sessions may do: everything if there are no rules. Where the system does not
// say, the socket's file mode has decided.
func (h *Host) admitPeer(sock *net.UnixConn) (pid int, rules api.Rules, err error) {
	who, err := fdconn.Peer(sock)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return 0, nil, nil
	case err != nil:
		return 0, nil, err
	}
	_, rules, err = h.config.Users(who.UID, who.GID)
	if err != nil {
		return 0, nil, fmt.Errorf("session of process %d: %w", who.PID, err)
	}
	return who.PID, rules, nil
}

// ownersOnly is the Users of a host that was told nothing.
func ownersOnly(uid, _ int) (all bool, rules api.Rules, err error) {
	if uid == 0 || uid == os.Getuid() {
		return true, nil, nil
	}
	return false, nil, api.Errorf(api.KindForbidden, "user %d is none that this node serves", uid)
}

// serve answers requests until the connection ends, and returns why it did. Whatever waits for something gets a goroutine of
// its own, so that beats are always heard.
func (s *session) serve() error {
	for {
		var m api.SessionMessage
		files, err := s.conn.Receive(&m)
		if err != nil {
			return err
		}
		if m.HandBack == nil && len(files) > 0 {
			fdconn.CloseFiles(files)
			return fmt.Errorf("%d descriptors with a message that takes none: %w", len(files), fdconn.ErrFrame)
		}
		switch {
		case m.Beat != nil:
			err = s.answer(m.Seq, s.heard())
		case m.Report != nil:
			s.h.takeReport(s, m.Report)
		case m.Detach != nil:
			s.detach(*m.Detach)
		case m.Attach != nil:
			ctx, done := s.asks(m.Attach) // here and not later: its Detach may be the next message
			err = s.later(m.Seq, func() error { defer done(); return s.attach(ctx, m.Seq, *m.Attach) })
		case m.Mapped != nil:
			err = s.later(m.Seq, func() error { return s.mapped(m.Seq, *m.Mapped) })
		case m.HandBack != nil:
			if err = s.later(m.Seq, func() error { return s.handBack(m.Seq, *m.HandBack, files) }); err != nil {
				fdconn.CloseFiles(files)
			}
		default:
			return fmt.Errorf("message %d asks for nothing that a node answers: %w", m.Seq, fdconn.ErrFrame)
		}
		if err != nil {
			return err
		}
	}
}

// later runs a request that may wait, and answers with its error if it has one. Too many at a time end the session: no honest
// stage has so many edges.
func (s *session) later(seq uint64, f func() error) error {
	select {
	case s.underWay <- struct{}{}:
	default:
		return fmt.Errorf("more than %d requests under way: %w", underWayMax, api.ErrTooLarge)
	}
	s.h.running.Go(func() {
		defer func() { <-s.underWay }()
		if err := f(); err != nil {
			// A failed answer means that the connection is gone, which serve sees.
			_ = s.answer(seq, api.SessionMessage{Error: api.ErrorOf(err)})
		}
	})
	return nil
}

func (s *session) answer(seq uint64, m api.SessionMessage, files ...*os.File) error {
	m.Seq = seq
	return s.conn.Send(m, files...)
}

// heard notes a sign of life and says how long the session is good.
func (s *session) heard() api.SessionMessage {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	if s.lost {
		return lostMessage(s.id)
	}
	s.beat = s.h.now()
	return api.SessionMessage{Beat: &api.Beat{Deadline: s.deadline}}
}

func lostMessage(id lease.SessionID) api.SessionMessage {
	return api.SessionMessage{Error: api.Errorf(api.KindSession, "session %s has ended", id)}
}

// lively reports whether the session is to be renewed: two thirds of a term, two beats, may pass in silence. host.mu is
// held.
func (s *session) lively(now lease.Instant) bool {
	return !s.lost && now.Sub(s.beat) < 2*lease.RenewEvery(s.ttl)
}

// depart sees a session off whose connection has ended. If the host itself is closing, the process is not gone and its
// session lives on; else the cluster is told, before anybody else.
func (h *Host) depart(s *session, why error) {
	closing := h.remove(s)
	h.config.Observer.Ended(s.id)
	if closing {
		return
	}
	if errors.Is(why, io.EOF) || errors.Is(why, net.ErrClosed) {
		why = nil
	}
	h.log.Info("session closed", "session", s.id, "stage", s.stage, "pid", s.pid, "err", why)
}

func (h *Host) remove(s *session) (closing bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, s.id)
	for _, a := range h.arenas {
		for role, side := range a.sides {
			if side.session == s.id && side.local {
				h.releaseLocked(a, role)
			}
		}
	}
	if h.ctx.Err() != nil {
		return true
	}
	if !s.lost {
		h.endSessionLocked(s.id)
	}
	return false
}

// extendLocked takes a deadline that a renewal has confirmed, and tells the stage: its next beat may be a third of a term
// away, which would be missing if the node went away now. host.mu is held.
func (h *Host) extendLocked(s *session, d lease.Instant) {
	if d <= s.deadline || h.ctx.Err() != nil {
		return
	}
	s.deadline = d
	select {
	case <-s.renewed:
		h.running.Go(func() {
			// If it cannot be told, its connection is broken, which serve sees.
			_ = s.answer(0, api.SessionMessage{Beat: &api.Beat{Deadline: d}})
		})
	default:
		close(s.renewed)
	}
}

// loseLocked tells a session that the cluster has ended it. host.mu is held.
func (h *Host) loseLocked(s *session) {
	if s.lost || h.ctx.Err() != nil {
		return
	}
	s.lost = true
	h.log.Warn("session ended by the cluster", "session", s.id, "stage", s.stage, "pid", s.pid)
	h.running.Go(func() {
		if s.answer(0, lostMessage(s.id)) != nil {
			s.conn.Close()
		}
	})
}

// reconcileSessions ends here what has ended in the state.
func (h *Host) reconcileSessions() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, s := range h.sessions {
		if _, alive := h.config.State.Session(id); !alive {
			h.loseLocked(s)
		}
	}
}

func (h *Host) takeReport(s *session, r *api.StageReport) {
	known, ok := h.config.State.Session(s.id)
	if !ok {
		return // it has ended
	}
	// Who may do nothing to an edge has nothing to say of it; nor of one that there is not, or of a third side, or a stage could have the node remember
	// names without end.
	r.Edges = slices.DeleteFunc(r.Edges, func(e api.EdgeReport) bool {
		return !h.config.State.Edge(e.Edge) || !known.may(e.Edge) || e.Role != fabric.RoleProducer && e.Role != fabric.RoleConsumer
	})
	h.config.Observer.Report(s.id, *r)
}

package host

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/fdconn"
	"github.com/grafnode/grafnode/lease"
)

// errProbe says that a connection was closed before it said anything: somebody looked whether there is a node.
var errProbe = errors.New("closed without a word")

// greet reads a connection's hello, has the cluster open a session or hand an old one over to this incarnation, and
// answers. On error the stage has been told.
func (h *Host) greet(conn *fdconn.Conn, sock *net.UnixConn) (*session, error) {
	// The stage has connected to talk; one that does not is not waited for.
	if err := conn.SetReadDeadline(time.Now().Add(helloTimeout)); err != nil {
		return nil, err
	}
	var m api.SessionMessage
	files, err := conn.Receive(&m)
	if errors.Is(err, io.EOF) {
		return nil, errProbe
	}
	if err != nil {
		return nil, fmt.Errorf("hello: %w", err)
	}
	fdconn.CloseFiles(files)
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	s, w, err := h.welcome(conn, m.Hello, sock)
	if err != nil {
		// What counts is that it was refused; whether the stage could still be told is its business.
		_ = conn.Send(api.SessionMessage{Seq: m.Seq, Error: api.ErrorOf(err)})
		return nil, err
	}
	if err := conn.Send(api.SessionMessage{Seq: m.Seq, Welcome: w}); err != nil {
		h.depart(s, err)
		return nil, err
	}
	return s, nil
}

func (h *Host) welcome(conn *fdconn.Conn, hello *api.Hello, sock *net.UnixConn) (*session, *api.Welcome, error) {
	if hello == nil {
		return nil, nil, api.Errorf(api.KindInvalid, "a session begins with hello")
	}
	pid, rules, err := h.admitPeer(sock)
	if err != nil {
		return nil, nil, err
	}
	if err := api.CheckEdgeName(hello.Stage); err != nil {
		return nil, nil, api.Errorf(api.KindInvalid, "stage: %v", err)
	}
	if err := lease.CheckTTL(hello.TTL); err != nil {
		return nil, nil, api.Errorf(api.KindInvalid, "session: %v", err)
	}
	if pid == 0 {
		pid = hello.PID // the system does not say
	}
	s := &session{
		h: h, conn: conn, id: hello.Session, stage: hello.Stage, pid: pid, user: user(sock), ttl: hello.TTL, beat: h.now(),
		underWay: make(chan struct{}, underWayMax), renewed: make(chan struct{}), asking: map[*api.Attach]context.CancelFunc{},
	}
	token := hello.Token
	if s.id == "" {
		close(s.renewed) // its first deadline is known
		token, err = h.begin(s, rules)
	} else {
		err = h.takeUp(s, token)
	}
	if err != nil {
		return nil, nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return s, &api.Welcome{
		Session: s.id, Token: token, Cluster: h.config.Cluster, Node: h.config.Node, Zone: h.config.Zone,
		Incarnation: h.config.Incarnation, Deadline: s.deadline, Addresses: h.config.Addresses(),
		Trusted: h.config.Trusted,
	}, nil
}

// begin has the cluster open a new session for s, with rules if there are any. Its first deadline counts from before it was asked for.
func (h *Host) begin(s *session, rules api.Rules) (token string, err error) {
	ctx, cancel := h.within(helloTimeout)
	defer cancel()
	s.id, token = lease.SessionID(lease.NewID()), rand.Text()
	sum := sha256.Sum256([]byte(token))
	s.deadline = lease.HolderDeadline(h.now(), s.ttl)
	resp, err := h.config.Leader.Sessions(ctx, api.SessionRequest{Open: &api.SessionOpen{
		Session: s.id, Node: h.config.Node, Incarnation: h.config.Incarnation, Stage: s.stage, PID: s.pid, TTL: s.ttl,
		TokenSum: sum[:], Rules: rules,
	}})
	unused := errors.Is(err, api.ErrUnknown)
	if err == nil {
		err = h.enter(s, resp.Revision)
		unused = err != nil
	}
	if unused { // it is there, or may be, and nobody will ever use it
		h.mu.Lock()
		h.endSessionLocked(s.id)
		h.mu.Unlock()
	}
	return token, err
}

// takeUp has the cluster hand over to this incarnation a session that began with an earlier one. One that this incarnation
// has seen, or sees now, is not to be had again: its connection closed, so its process counts as gone. The session's
// term goes on as it was; a deadline is only known after the first renewal, which is asked for at once.
func (h *Host) takeUp(s *session, token string) error {
	h.mu.Lock()
	_, here := h.sessions[s.id]
	_, ending := h.ending[s.id]
	h.mu.Unlock()
	if here || ending {
		return api.Errorf(api.KindSession, "session %s: its connection to this node was closed", s.id)
	}
	ctx, cancel := h.within(helloTimeout)
	defer cancel()
	sum := sha256.Sum256([]byte(token))
	resp, err := h.config.Leader.Sessions(ctx, api.SessionRequest{Adopt: &api.SessionAdopt{
		Session: s.id, Node: h.config.Node, Incarnation: h.config.Incarnation, TokenSum: sum[:],
	}})
	if err == nil {
		err = h.enter(s, resp.Revision)
	}
	if err != nil {
		return err
	}
	select {
	case <-s.renewed:
	case <-ctx.Done(): // then the stage's own deadline stands
	}
	return nil
}

// enter notes a session once the state here includes it; earlier it would look ended.
func (h *Host) enter(s *session, revision api.Revision) error {
	ctx, cancel := h.within(helloTimeout)
	defer cancel()
	if err := h.waitApplied(ctx, revision); err != nil {
		return err
	}
	if !h.add(s) {
		return api.Errorf(api.KindSession, "session %s is connected already", s.id)
	}
	h.config.Observer.Began(s.id, s.stage)
	h.Applied()    // it may have ended since
	signal(h.soon) // its term may be shorter than all that the node has renewed, and be over before the node looks again
	return nil
}

// add is false if there is that session already.
func (h *Host) add(s *session) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, taken := h.sessions[s.id]; taken {
		return false
	}
	h.sessions[s.id] = s
	return true
}

// endSessionLocked has the cluster end a session, in the background, until it has: at most one goroutine for each
// session, and none for longer than the session is in the state. host.mu is held.
func (h *Host) endSessionLocked(id lease.SessionID) {
	if _, already := h.ending[id]; already || h.ctx.Err() != nil {
		return
	}
	h.ending[id] = struct{}{}
	h.running.Go(func() {
		h.endSession(id)
		h.mu.Lock()
		delete(h.ending, id)
		h.mu.Unlock()
	})
}

func (h *Host) endSession(id lease.SessionID) {
	const pauseMin, pauseMax = 50 * time.Millisecond, 2 * time.Second
	for pause := pauseMin; ; pause = min(2*pause, pauseMax) {
		err := h.askToEnd(id)
		_, alive := h.config.State.Session(id)
		if err == nil || !alive || h.ctx.Err() != nil {
			return
		}
		h.log.Warn("session's end not confirmed yet", "session", id, "err", err)
		select {
		case <-time.After(pause):
		case <-h.ctx.Done():
		}
	}
}

// askToEnd asks once. nil means that the session is no concern of this incarnation any more.
func (h *Host) askToEnd(id lease.SessionID) error {
	ctx, cancel := h.within(helloTimeout)
	defer cancel()
	_, err := h.config.Leader.Sessions(ctx, api.SessionRequest{End: &api.SessionEnd{
		Session: id, Node: h.config.Node, Incarnation: h.config.Incarnation,
	}})
	if err != nil && undecided(err) {
		return err
	}
	return nil // ended, or it had ended, or it is another incarnation's
}

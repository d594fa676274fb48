package host

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/fdconn"
	"github.com/grafnode/grafnode/lease"
)

// greet reads a connection's hello, has the cluster open a session or hand an old one over to this incarnation, and
// answers. On error the stage has been told.
func (h *Host) greet(conn *fdconn.Conn, pid int) (*session, error) {
	// The stage has connected to talk; one that does not is not waited for.
	if err := conn.SetReadDeadline(time.Now().Add(helloTimeout)); err != nil {
		return nil, err
	}
	var m api.SessionMessage
	files, err := conn.Receive(&m)
	if err != nil {
		return nil, fmt.Errorf("hello: %w", err)
	}
	fdconn.CloseFiles(files)
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	s, w, err := h.welcome(conn, m.Hello, pid)
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

func (h *Host) welcome(conn *fdconn.Conn, hello *api.Hello, pid int) (*session, *api.Welcome, error) {
	if hello == nil {
		return nil, nil, api.Errorf(api.KindInvalid, "a session begins with hello")
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
	id, token := hello.Session, hello.Token
	asked := h.now()
	revision, err := api.Revision(0), error(nil)
	if id == "" {
		id, token = lease.SessionID(lease.NewID()), rand.Text()
		revision, err = h.openSession(id, token, *hello, pid)
	} else {
		revision, err = h.adoptSession(id, token)
	}
	if err != nil {
		return nil, nil, err
	}
	s := &session{
		h: h, conn: conn, id: id, stage: hello.Stage, pid: pid, ttl: hello.TTL, beat: h.now(),
		underWay: make(chan struct{}, underWayMax), deadline: lease.HolderDeadline(asked, hello.TTL),
	}
	if err := h.enter(s, revision); err != nil {
		return nil, nil, err
	}
	return s, &api.Welcome{
		Session: id, Token: token, Cluster: h.config.Cluster, Node: h.config.Node, Zone: h.config.Zone,
		Incarnation: h.config.Incarnation, Deadline: s.deadline, Addresses: h.config.Addresses(),
	}, nil
}

func (h *Host) openSession(id lease.SessionID, token string, hello api.Hello, pid int) (api.Revision, error) {
	ctx, cancel := h.within(helloTimeout)
	defer cancel()
	sum := sha256.Sum256([]byte(token))
	resp, err := h.config.Leader.Sessions(ctx, api.SessionRequest{Open: &api.SessionOpen{
		Session: id, Node: h.config.Node, Incarnation: h.config.Incarnation, Stage: hello.Stage, PID: pid, TTL: hello.TTL,
		TokenSum: sum[:],
	}})
	if errors.Is(err, api.ErrUnknown) {
		h.mu.Lock()
		h.endSessionLocked(id) // it may be there, and nobody will ever use it
		h.mu.Unlock()
	}
	return resp.Revision, err
}

// adoptSession takes up a session that began with an earlier incarnation of this node. One that this incarnation has seen, or
// sees now, is not to be had again: its connection closed, so its process counts as gone.
func (h *Host) adoptSession(id lease.SessionID, token string) (api.Revision, error) {
	h.mu.Lock()
	_, here := h.sessions[id]
	_, ending := h.ending[id]
	h.mu.Unlock()
	if here || ending {
		return 0, api.Errorf(api.KindSession, "session %s: its connection to this node was closed", id)
	}
	ctx, cancel := h.within(helloTimeout)
	defer cancel()
	sum := sha256.Sum256([]byte(token))
	resp, err := h.config.Leader.Sessions(ctx, api.SessionRequest{Adopt: &api.SessionAdopt{
		Session: id, Node: h.config.Node, Incarnation: h.config.Incarnation, TokenSum: sum[:],
	}})
	return resp.Revision, err
}

// enter notes a session once the state here includes it; earlier it would look ended.
func (h *Host) enter(s *session, revision api.Revision) error {
	ctx, cancel := h.within(helloTimeout)
	defer cancel()
	err := h.config.State.WaitApplied(ctx, revision)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.endSessionLocked(s.id)
		return api.Errorf(api.KindUnavailable, "this node has not applied revision %d: %v", revision, err)
	}
	if _, taken := h.sessions[s.id]; taken {
		return api.Errorf(api.KindSession, "session %s is connected already", s.id)
	}
	h.sessions[s.id] = s
	h.config.Observer.Began(s.id, s.stage)
	h.Applied() // it may have ended since
	return nil
}

// endSessionLocked has the cluster end a session, in the background, until it has. host.mu is held. There is at most one
// such goroutine for each connection that was ever admitted and whose end is not confirmed; the state forgets sessions
// that nobody renews, which ends the goroutine too.
func (h *Host) endSessionLocked(id lease.SessionID) {
	if _, already := h.ending[id]; already || h.ctx.Err() != nil {
		return
	}
	h.ending[id] = struct{}{}
	h.running.Go(func() {
		pause := 50 * time.Millisecond
		for {
			err := h.endSession(id)
			if err == nil || h.ctx.Err() != nil {
				break
			}
			h.log.Warn("session's end not confirmed yet", "session", id, "err", err)
			select {
			case <-time.After(pause):
			case <-h.ctx.Done():
			}
			pause = min(2*pause, 2*time.Second)
		}
		h.mu.Lock()
		delete(h.ending, id)
		h.mu.Unlock()
	})
}

// endSession asks once. nil means that the session is no concern of this incarnation any more.
func (h *Host) endSession(id lease.SessionID) error {
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

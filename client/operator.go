package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// stallMax is how long a snapshot may stand still on its way, and restoreWait how long the cluster may take to put one in
// place once it has all of it. Neither can be bounded as a whole: a snapshot is as large as the registry.
const (
	stallMax    = 30 * time.Second
	restoreWait = 5 * time.Minute
)

// Raft returns the Raft group: the leader's view, or with api.Stale that of the node that is asked.
func (a *API) Raft(ctx context.Context, c api.Consistency) (r api.Raft, err error) {
	return r, a.call(ctx, get("/v1/operator/raft", c), &r)
}

// RemoveServer takes a member out of the Raft group: an operator's verb, for a node that is gone for good. It is refused as
// api.ErrConflict while the node runs, unless forced.
func (a *API) RemoveServer(ctx context.Context, id locator.NodeID, force bool) error {
	r := request{method: http.MethodDelete, path: "/v1/operator/raft/" + url.PathEscape(string(id))}
	if force {
		r.query = url.Values{"force": {"true"}}
	}
	return a.call(ctx, r, nil)
}

// RemoveNode forgets a node that will not come back and is no member of the Raft group any more. It is refused while leases or
// sessions are there, unless forced, which ends them. detail goes into the history of the edges whose ring was there.
func (a *API) RemoveNode(ctx context.Context, id locator.NodeID, force bool, detail string) error {
	r := request{method: http.MethodDelete, path: "/v1/nodes/" + url.PathEscape(string(id)), query: url.Values{}}
	if force {
		r.query.Set("force", "true")
	}
	if detail != "" {
		r.query.Set("detail", detail)
	}
	return a.call(ctx, r, nil)
}

// DrainNode says what is to become of a node: an operator's verb. It is refused as api.ErrNoRoom if the other nodes have no place for the rings
// that are there, unless forced. They are moved after it has returned; see DrainStatus.
func (a *API) DrainNode(ctx context.Context, id locator.NodeID, r api.DrainRequest) (s api.DrainStatus, err error) {
	return s, a.call(ctx, post(drainPath(id), r), &s)
}

// DrainStatus returns what is left on a node.
func (a *API) DrainStatus(ctx context.Context, id locator.NodeID) (s api.DrainStatus, err error) {
	return s, a.call(ctx, get(drainPath(id), api.Default), &s)
}

// SetEligibility says whether anything new may be placed on a node: an operator's verb. What it has stays there.
func (a *API) SetEligibility(ctx context.Context, id locator.NodeID, eligible bool) error {
	ineligible := !eligible
	return a.call(ctx, post("/v1/nodes/"+url.PathEscape(string(id))+"/eligibility", api.EligibilityRequest{Ineligible: &ineligible}), nil)
}

func drainPath(id locator.NodeID) string { return "/v1/nodes/" + url.PathEscape(string(id)) + "/drain" }

// TransferLeadership hands leadership to another voter and returns once that one leads.
func (a *API) TransferLeadership(ctx context.Context, r api.TransferRequest) (resp api.TransferResponse, err error) {
	return resp, a.call(ctx, post("/v1/operator/raft/transfer", r), &resp)
}

// Health returns how the cluster stands.
func (a *API) Health(ctx context.Context) (h api.Health, err error) {
	return h, a.call(ctx, get("/v1/operator/health", ""), &h)
}

// Debug returns the inside of the node that is asked: its logs, settings, goroutines, cpu (a profile over so long), or a profile of package
// runtime/pprof by name.
func (a *API) Debug(ctx context.Context, what string, lasts time.Duration) ([]byte, error) {
	r := get("/v1/operator/debug/"+url.PathEscape(what), "")
	if lasts > 0 {
		r.query.Set("seconds", strconv.Itoa(int(lasts/time.Second)))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, a.timeout+lasts, errSlow)
	defer cancel()
	return a.exchange(ctx, r)
}

// Metrics returns the metrics of the node that is asked, as Prometheus reads them.
func (a *API) Metrics(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.timeout, errSlow)
	defer cancel()
	return a.exchange(ctx, get("/metrics", ""))
}

// LiveSessions lists the live sessions, by ID.
func (a *API) LiveSessions(ctx context.Context, c api.Consistency) (sessions []api.Session, err error) {
	return sessions, a.call(ctx, get("/v1/sessions", c), &sessions)
}

// Session returns a live session and what it has; api.ErrSessionLost if it has ended.
func (a *API) Session(ctx context.Context, id lease.SessionID, c api.Consistency) (s api.SessionDetail, err error) {
	return s, a.call(ctx, get("/v1/sessions/"+url.PathEscape(string(id)), c), &s)
}

// SaveSnapshot writes a snapshot of the registry to w, as of now or later, and returns its length. After an error w has a
// part of it, which reads as cut off.
func (a *API) SaveSnapshot(ctx context.Context, w io.Writer) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(stallMax, func() { cancel(errSlow) })
	defer stalled.Stop()
	r := get("/v1/operator/snapshot", "")
	resp, err := a.send(ctx, r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	from := &source{Reader: resp.Body, step: func() { stalled.Reset(stallMax) }}
	n, err := io.Copy(w, from)
	if from.err != nil {
		return n, a.broken(ctx, r, from.err)
	}
	return n, err
}

// RestoreSnapshot replaces the registry of the whole cluster by the snapshot in r, of size bytes. A snapshot of another
// cluster is refused unless forced. An error other than api.ErrUnknown means that nothing was changed.
func (a *API) RestoreSnapshot(ctx context.Context, r io.Reader, size int64, force bool) (resp api.RestoreResponse, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(stallMax, func() { cancel(errSlow) })
	defer stalled.Stop()
	var sent atomic.Bool
	q := request{method: http.MethodPut, path: "/v1/operator/snapshot", size: size, stream: &source{
		Reader: r,
		step:   func() { stalled.Reset(stallMax) },
		end:    func() { sent.Store(true); stalled.Reset(restoreWait) },
	}}
	if force {
		q.query = url.Values{"force": {"true"}}
	}
	err = a.within(ctx, q, &resp)
	if errors.Is(err, api.ErrUnknown) && !sent.Load() {
		// Not wrapped: it would say that the outcome is open.
		return resp, fmt.Errorf("%w: cut off on its way, so nothing was changed: %s", api.ErrUnavailable, err.Error())
	}
	return resp, err
}

// source is a reader that says when it has given something, and when all.
type source struct {
	io.Reader
	step, end func()
	err       error // that cut it off
}

// Read reads.
func (s *source) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	if n > 0 && s.step != nil {
		s.step()
	}
	switch {
	case errors.Is(err, io.EOF):
		if s.end != nil {
			s.end()
		}
	case err != nil:
		s.err = err
	}
	return n, err
}

package server

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// fakeRegistry is the real state machine without Raft.
type fakeRegistry struct {
	mu       sync.Mutex
	state    *state.State
	index    uint64
	leads    bool
	leader   registry.Peer
	readErr  error
	applyErr error
	onRead   func()
	events   []api.Event
	watchErr error
	onEvent  func(i int) // before each of events
	silent   time.Duration
}

func (f *fakeRegistry) State() *state.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

func (f *fakeRegistry) Leader() (registry.Peer, bool) { return f.leader, f.leader.ID != "" }
func (f *fakeRegistry) IsLeader() bool                { return f.leads }

func (f *fakeRegistry) Apply(_ context.Context, c state.Command) (state.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.applyErr != nil {
		return state.Result{}, f.applyErr
	}
	f.index++
	next, result := f.state.Step(state.Entry{Index: f.index, Term: 1, Proposed: time.Now().UnixNano(), Command: c})
	f.state = next
	return result, result.Err
}

func (f *fakeRegistry) Read(context.Context, api.Consistency) error {
	if f.onRead != nil {
		f.onRead()
	}
	return f.readErr
}

func (f *fakeRegistry) Watch(context.Context, api.WatchRequest) iter.Seq2[api.Event, error] {
	return func(yield func(api.Event, error) bool) {
		for i, e := range f.events {
			if f.onEvent != nil {
				f.onEvent(i)
			}
			if !yield(e, nil) {
				return
			}
		}
		yield(api.Event{Revision: f.lastSent()}, f.watchErr)
	}
}

func (f *fakeRegistry) Servers() ([]registry.Server, error) {
	return []registry.Server{{Peer: registry.Peer{ID: "n1", Address: "127.0.0.1:7400"}, Voter: true}}, nil
}

func (f *fakeRegistry) Stats() registry.Stats {
	return registry.Stats{State: "leader", Ready: true, Term: 1, LastIndex: 100, Leader: f.leader, LastContact: f.silent}
}

// fakeGroup is a Raft group of n1, n2 and n3, and a snapshot that is a line of text.
type fakeGroup struct {
	registry *fakeRegistry
	members  []registry.Member
	removed  []locator.NodeID
	saved    string
	saveErr  error // after what is saved
	restored []string
}

func (f *fakeGroup) Members() ([]registry.Member, error) { return f.members, nil }

func (f *fakeGroup) RemoveServer(_ context.Context, id locator.NodeID) error {
	if id == f.registry.leader.ID {
		return fmt.Errorf("%s leads: transfer leadership first: %w", id, api.ErrConflict)
	}
	f.removed = append(f.removed, id)
	return nil
}

func (f *fakeGroup) Transfer(_ context.Context, to locator.NodeID) error {
	for _, m := range f.members {
		if m.ID == to || to == "" && m.ID != "n1" {
			f.registry.leader = m.Peer
			return nil
		}
	}
	return fmt.Errorf("%s is no member: %w", to, api.ErrNotFound)
}

func (f *fakeGroup) SaveSnapshot(_ context.Context, w io.Writer) (registry.SnapshotInfo, error) {
	_, err := io.WriteString(w, f.saved)
	return registry.SnapshotInfo{}, errors.Join(err, f.saveErr)
}

func (f *fakeGroup) RestoreSnapshot(_ context.Context, r io.Reader, force bool) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	if !force && !strings.HasPrefix(string(b), "snapshot") {
		return fmt.Errorf("snapshot: not one: %w", api.ErrCorrupt)
	}
	f.restored = append(f.restored, string(b))
	return nil
}

type fakeGossip []membership.Member

func (f fakeGossip) Members() []membership.Member { return f }
func (fakeGossip) HealthScore() int               { return 0 }

type fakeKeeper struct{}

func (fakeKeeper) Renew(_ context.Context, r api.RenewRequest) (api.RenewResponse, error) {
	out := api.RenewResponse{Leases: map[lease.ID]time.Duration{}, Sessions: map[lease.SessionID]time.Duration{}}
	for _, id := range r.Leases {
		out.Leases[id] = time.Second
	}
	for _, id := range r.Sessions {
		out.Sessions[id] = time.Second
	}
	return out, nil
}

type fakeBlocks struct {
	data   [4096]byte
	guard  fence.Guard
	number uint64
}

func (f *fakeBlocks) Read(_ lease.ID, offset uint64, n int) ([]byte, error) {
	return f.data[offset : int(offset)+n], nil
}

func (f *fakeBlocks) Write(_ lease.ID, epoch fence.Epoch, number, offset uint64, b []byte) error {
	if err := f.guard.Admit(epoch); err != nil {
		return err
	}
	if number <= f.number {
		return api.ErrConflict
	}
	f.number = number
	copy(f.data[offset:], b)
	return nil
}

func (f *fakeBlocks) Fence(_ lease.ID, epoch fence.Epoch) error { return f.guard.Admit(epoch) }

type fakeFounding struct{ err error }

func (f fakeFounding) Promise(api.FoundRequest) error { return f.err }

// fixture is a node n1 that leads, beside nodes n2 and n3, with session s1 on n1 whose token is "secret".
type fixture struct {
	registry *fakeRegistry
	group    *fakeGroup
	gossip   fakeGossip
	blocks   *fakeBlocks
	stages   *Stages
	server   *Server
	url      string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	reported := NewStages(prometheus.NewRegistry())
	reg := &fakeRegistry{state: state.New(), leads: true, leader: registry.Peer{ID: "n1", Address: "127.0.0.1:7400"}}
	var gossip fakeGossip
	for _, id := range []string{"n1", "n2", "n3"} {
		address := "127.0.0." + id[1:] + ":7400"
		gossip = append(gossip, membership.Member{ID: locator.NodeID(id), Name: id, Zone: "z" + id[1:], Address: address,
			Health: membership.Alive, Free: 64 << 20})
		apply(t, reg, state.RegisterNode{Node: locator.NodeID(id), Name: id, Zone: "z" + id[1:], Address: address, Memory: 64 << 20})
	}
	apply(t, reg, state.InitCluster{Cluster: "c1"})
	apply(t, reg, state.OpenSession{Session: "s1", Stage: "parse", Node: "n1", Incarnation: 1, TTL: 10 * time.Second,
		Token: sha256.Sum256([]byte("secret"))})
	f := &fixture{registry: reg, stages: reported, group: &fakeGroup{registry: reg, saved: "snapshot of c1"}, gossip: gossip, blocks: &fakeBlocks{}}
	for i, m := range gossip {
		f.group.members = append(f.group.members, registry.Member{
			Server: registry.Server{Peer: registry.Peer{ID: m.ID, Address: m.Address}, Voter: true}, Leader: i == 0, Matched: 100,
		})
	}
	var err error
	f.server, err = New(Config{
		Node: "n1", Name: "n1", Version: "0", Registry: reg, Group: f.group, Gossip: gossip, Keeper: fakeKeeper{}, Blocks: f.blocks,
		Founding: fakeFounding{}, Reported: reported, Problems: func() []string { return nil }, Metrics: prometheus.NewRegistry(),
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	front := httptest.NewServer(f.handler())
	t.Cleanup(func() {
		front.Close()
		require.NoError(t, f.server.Close())
		http.DefaultClient.CloseIdleConnections()
	})
	f.url = front.URL
	return f
}

func apply(t *testing.T, reg *fakeRegistry, c state.Command) state.Result {
	t.Helper()
	result, err := reg.Apply(t.Context(), c)
	require.NoError(t, err)
	return result
}

// ask sends a request as session s1 and returns the answer's status, headers and body.
func (f *fixture) ask(t *testing.T, method, path, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, f.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(api.HeaderSession, "s1")
	req.Header.Set(api.HeaderToken, "secret")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header, string(b)
}

// get asks and decodes a success.
func get[T any](t *testing.T, f *fixture, path string) (v T) {
	t.Helper()
	status, _, body := f.ask(t, "GET", path, "")
	require.Equal(t, http.StatusOK, status, body)
	require.NoError(t, json.Unmarshal([]byte(body), &v))
	return v
}

// handler is the server's for callers behind the node's own socket.
func (f *fixture) handler() http.Handler { return as(Caller{Trusted: true}, f.server.Handler()) }

// as has a caller make all requests.
func as(c Caller, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(WithCaller(r.Context(), c)))
	})
}

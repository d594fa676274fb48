package client_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/fence"
)

// registry is state that any number of fake nodes stream.
type registry struct {
	mu       sync.Mutex
	edges    map[string]api.Edge
	revision api.Revision
	moved    chan struct{}
	prefixes []string // asked for
}

func newRegistry(edges ...api.Edge) *registry {
	r := &registry{edges: map[string]api.Edge{}, moved: make(chan struct{})}
	for _, e := range edges {
		r.put(e)
	}
	return r
}

func (r *registry) put(e api.Edge) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revision++
	e.Revision = r.revision
	r.edges[e.Name] = e
	close(r.moved)
	r.moved = make(chan struct{})
}

func (r *registry) remove(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revision++
	delete(r.edges, name)
}

func (r *registry) asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.prefixes
}

func (r *registry) since(prefix string, after api.Revision) (edges []api.Edge, at api.Revision, moved chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.edges {
		if strings.HasPrefix(e.Name, prefix) && e.Revision > after {
			edges = append(edges, e)
		}
	}
	return edges, r.revision, r.moved
}

// ServeHTTP is /v1/watch.
func (r *registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	prefix := q.URL.Query().Get("prefix")
	r.mu.Lock()
	r.prefixes = append(r.prefixes, prefix)
	r.mu.Unlock()
	out, lines := http.NewResponseController(w), json.NewEncoder(w)
	kind, last := api.EventState, api.Revision(0)
	for {
		edges, at, moved := r.since(prefix, last)
		for _, e := range edges {
			lines.Encode(api.Event{Type: kind, Revision: e.Revision, Edge: &e})
		}
		if kind == api.EventState {
			lines.Encode(api.Event{Type: api.EventSync, Revision: at})
		}
		kind, last = api.EventChange, at
		out.Flush()
		select {
		case <-moved:
		case <-q.Context().Done():
			return
		}
	}
}

func watched(t *testing.T, r *registry, peers ...*fakeNode) (*fakeNode, *client.Client) {
	own, socket := onSocket(t, peers...)
	own.mux.Handle("GET /v1/watch", r)
	return own, dial(t, socket)
}

// until reads records until one satisfies f.
func until(t *testing.T, news <-chan api.Edge, f func(api.Edge) bool) api.Edge {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case e, open := <-news:
			require.True(t, open, "channel closed")
			if f(e) {
				return e
			}
		case <-deadline:
			t.Fatal("no such news")
		}
	}
}

func generation(n uint64) func(api.Edge) bool {
	return func(e api.Edge) bool { return uint64(e.Generation) == n }
}

func TestFollowersShareOneStream(t *testing.T) {
	r := newRegistry(record("p.a", 1, 0), record("p.b", 1, 0), record("q", 1, 0))
	_, c := watched(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	a, b := c.Follow(ctx, "p.a"), c.Follow(ctx, "p.b")
	until(t, a, generation(1))
	until(t, b, generation(1))
	also := c.Follow(ctx, "p.a")
	until(t, also, generation(1)) // from what is known, without asking
	streams := len(r.asked())
	require.LessOrEqual(t, streams, 2, "one for the first, one for the common prefix")
	require.Equal(t, "p.", r.asked()[streams-1])

	for i := range 100 {
		r.put(record("p.a", fence.Epoch(2+i), 0))
	}
	until(t, also, generation(101))
	until(t, a, generation(101)) // nobody waited for it meanwhile
	until(t, c.Follow(ctx, "q"), generation(1))
	require.Equal(t, "", r.asked()[len(r.asked())-1])
	cancel()
	for range b {
	}
	for range also {
	}
}

// When the stream breaks, news comes from another node, and what was missed meanwhile with it: deletions too.
func TestFollowSurvivesItsNode(t *testing.T) {
	r := newRegistry(record("p.a", 1, 0), record("p.b", 1, 0))
	other := onTCP(t)
	held := make(chan struct{})
	other.mux.HandleFunc("GET /v1/watch", func(w http.ResponseWriter, q *http.Request) {
		<-held
		r.ServeHTTP(w, q)
	})
	own, c := watched(t, r, other)
	a, b := c.Follow(t.Context(), "p.a"), c.Follow(t.Context(), "p.b")
	until(t, a, generation(1))
	until(t, b, generation(1))
	own.web.CloseClientConnections()
	own.web.Close()
	r.put(record("p.a", 2, 0))
	r.remove("p.b")
	close(held)
	until(t, a, generation(2))
	gone := until(t, b, func(e api.Edge) bool { return e.Deleted })
	require.EqualValues(t, 1, gone.Generation)
}

// A node that lags behind cannot make an edge look deleted.
func TestOlderStateDeletesNothing(t *testing.T) {
	r := newRegistry(record("x", 1, 0), record("e", 1, 0))
	other := onTCP(t)
	other.mux.HandleFunc("GET /v1/watch", func(w http.ResponseWriter, q *http.Request) {
		json.NewEncoder(w).Encode(api.Event{Type: api.EventSync, Revision: 1}) // before e was created
	})
	own, c := watched(t, r, other)
	news := c.Follow(t.Context(), "e")
	until(t, news, generation(1))
	own.web.CloseClientConnections()
	own.web.Close()
	select {
	case e := <-news:
		t.Fatalf("news from the past: %+v", e)
	case <-time.After(200 * time.Millisecond):
	}
}

func TestFollowEndsWithClient(t *testing.T) {
	_, c := watched(t, newRegistry())
	news := c.Follow(t.Context(), "e")
	require.NoError(t, c.Close())
	for range news {
	}
	for range c.Follow(t.Context(), "e") {
	}
}

func TestWatchGoesOnElsewhere(t *testing.T) {
	r := newRegistry(record("e", 1, 0))
	other := onTCP(t)
	other.mux.Handle("GET /v1/watch", r)
	own, c := watched(t, r, other)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := map[uint64]bool{}
	var last error
	for e, err := range c.Watch(ctx, api.WatchRequest{Prefix: "e"}) {
		last = err
		if err != nil {
			break
		}
		switch {
		case e.Type == api.EventSync && len(seen) == 1:
			own.web.CloseClientConnections()
			own.web.Close()
			r.put(record("e", 2, 0))
		case e.Edge != nil:
			seen[uint64(e.Edge.Generation)] = true
		}
		if seen[2] {
			cancel()
		}
	}
	require.ErrorIs(t, last, context.Canceled)
	require.True(t, seen[1])
}

func TestWatchReportsRefusals(t *testing.T) {
	own, socket := onSocket(t)
	own.mux.HandleFunc("GET /v1/watch", func(w http.ResponseWriter, _ *http.Request) { refuse(w, api.KindInvalid) })
	for _, err := range dial(t, socket).Watch(t.Context(), api.WatchRequest{}) {
		require.ErrorIs(t, err, api.ErrInvalid)
	}
}

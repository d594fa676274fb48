package registry_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// freezer carries Raft's connections and can stop them as if the process was stopped: nothing is read, nothing is written, and nobody
// is told.
type freezer struct {
	raft.StreamLayer
	mu     sync.Mutex
	thawed chan struct{} // closed while the layer is not frozen
}

func newFreezer(l raft.StreamLayer) *freezer {
	f := &freezer{StreamLayer: l, thawed: make(chan struct{})}
	close(f.thawed)
	return f
}

func (f *freezer) freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.thawed = make(chan struct{})
}

func (f *freezer) thaw() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.thawed)
}

func (f *freezer) Accept() (net.Conn, error) {
	conn, err := f.StreamLayer.Accept()
	return f.wrap(conn), err
}

func (f *freezer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	conn, err := f.StreamLayer.Dial(address, timeout)
	return f.wrap(conn), err
}

func (f *freezer) wrap(conn net.Conn) net.Conn {
	if conn == nil {
		return nil
	}
	return &freezing{Conn: conn, f: f, closed: make(chan struct{})}
}

type freezing struct {
	net.Conn
	f      *freezer
	once   sync.Once
	closed chan struct{}
}

func (c *freezing) wait() {
	c.f.mu.Lock()
	thawed := c.f.thawed
	c.f.mu.Unlock()
	select {
	case <-thawed:
	case <-c.closed:
	}
}

func (c *freezing) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.wait()
	return n, err
}

func (c *freezing) Write(b []byte) (int, error) {
	c.wait()
	return c.Conn.Write(b)
}

func (c *freezing) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// watching is a stream in the background.
type watching struct {
	events chan api.Event
	end    chan error
}

func watch(t testing.TB, m *registry.Registry, q api.WatchRequest) watching {
	ctx, cancel := context.WithCancel(t.Context())
	w := watching{make(chan api.Event, 1000), make(chan error, 1)}
	var reading sync.WaitGroup
	reading.Go(func() {
		for e, err := range m.Watch(ctx, q) {
			if err != nil {
				w.end <- err
				return
			}
			select {
			case w.events <- e:
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		reading.Wait()
	})
	return w
}

// until waits for an event.
func (w watching) until(t *testing.T, f func(api.Event) bool) api.Event {
	t.Helper()
	for late := time.After(patience); ; {
		select {
		case e := <-w.events:
			if f(e) {
				return e
			}
		case err := <-w.end:
			t.Fatalf("the watch ended before such an event: %v", err)
		case <-late:
			t.Fatalf("no such event in %v", patience)
		}
	}
}

func isType(typ api.EventType) func(api.Event) bool {
	return func(e api.Event) bool { return e.Type == typ }
}

func at(revision api.Revision) func(api.Event) bool {
	return func(e api.Event) bool { return e.Type == api.EventChange && e.Revision == revision }
}

// A watch at the node that has lost the cluster ends, whether its connections are reset or it is stopped like a process; at the
// others it goes on under the next leader.
func TestAWatchDoesNotOutliveItsNodesCluster(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"cut", "frozen"} {
		for _, whose := range []string{"leader", "follower"} {
			t.Run(way+" "+whose, func(t *testing.T) {
				var mu sync.Mutex
				layers := map[locator.NodeID]*freezer{}
				c := newCluster(t, 3, func(cfg *registry.Config) {
					mu.Lock()
					defer mu.Unlock()
					layers[cfg.NodeID] = newFreezer(cfg.Layer)
					cfg.Layer = layers[cfg.NodeID]
				})
				c.furnish("s1")
				first := c.apply(take("p.a", 0, "s1"))
				lost := c.leader()
				if whose == "follower" {
					lost = c.followers()[0]
				}
				streams := map[*member]watching{}
				for _, m := range c.members {
					streams[m] = watch(t, m.Registry, api.WatchRequest{Mode: api.WatchAll, From: 1})
					streams[m].until(t, at(first.Revision))
				}
				if way == "cut" {
					lost.wire.setCut(true)
					defer lost.wire.setCut(false)
				} else {
					layers[lost.id].freeze()
					defer layers[lost.id].thaw()
				}
				c.another(lost)
				second := c.applyUntil2(take("p.a", first.Edges[0].Revision, "s1"), lost)
				for _, m := range c.members {
					if m == lost {
						require.ErrorIs(t, receive(t, streams[m].end), api.ErrNoQuorum)
						for _, err := range m.Watch(t.Context(), api.WatchRequest{}) {
							require.ErrorIs(t, err, api.ErrNoQuorum, "and no other begins there")
						}
						continue
					}
					c.sees(m, streams[m], first.Revision, second)
				}
			})
		}
	}
}

// sees waits for a revision. An election that takes long ends the watches of those who take part in it too, as it should: they
// are resumed from the last revision seen, as a client does.
func (c *cluster) sees(m *member, w watching, last, want api.Revision) {
	c.t.Helper()
	for late := time.After(patience); last != want; {
		select {
		case e := <-w.events:
			if e.Type == api.EventChange {
				last = e.Revision
			}
		case err := <-w.end:
			require.ErrorIs(c.t, err, api.ErrNoQuorum)
			w = watch(c.t, m.Registry, api.WatchRequest{Mode: api.WatchAll, From: last})
		case <-late:
			c.t.Fatalf("revision %d is not seen in %v: the last is %d", want, patience, last)
		}
	}
}

// applyUntil2 applies a change at whoever leads but one, who may think that it still does.
func (c *cluster) applyUntil2(cmd state.ChangeEdges, not *member) api.Revision {
	ctx := c.within()
	for {
		for _, m := range c.members {
			if m == not || !m.IsLeader() {
				continue
			}
			if r, err := m.Apply(ctx, cmd); err == nil {
				return r.Revision
			}
		}
		require.NoError(c.t, ctx.Err())
		time.Sleep(time.Millisecond)
	}
}

// Raft itself would tell followers of a commit with the next append or after CommitTimeout, which is an hour here: what they
// are told they are told by the leader's own message.
func TestFollowersWatchWithoutWaiting(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, func(cfg *registry.Config) {
		steady(cfg)
		*cfg = registry.WithoutCommitTimeout(*cfg)
	})
	c.furnish("s1")
	var streams []watching
	for _, m := range c.followers() {
		streams = append(streams, watch(t, m.Registry, api.WatchRequest{}))
	}
	for _, w := range streams {
		w.until(t, isType(api.EventSync))
	}
	var last api.Revision
	for range 20 {
		r := c.apply(take("p.a", last, "s1"))
		last = r.Edges[0].Revision
		for _, w := range streams {
			w.until(t, at(last)) // and nothing else is proposed meanwhile
		}
	}
}

// A stream from a revision that is yet to come waits for it and shows nothing older.
func TestTheFutureIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, steady)
	c.furnish("s1")
	now := c.apply(take("p.a", 0, "s1"))
	w := watch(t, c.leader().Registry, api.WatchRequest{From: now.Revision + 2, Mode: api.WatchAll})
	rev := now.Edges[0].Revision
	for i := range 5 {
		r := c.apply(take("p.a", rev, "s1"))
		rev = r.Edges[0].Revision
		if i < 2 {
			continue
		}
		require.Equal(t, rev, w.until(t, isType(api.EventChange)).Revision)
	}
}

// A reader who is too slow for the log loses nothing that it was promised: all ends with the revision up to which it has
// everything, latest is shown the state again.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, func(cfg *registry.Config) { steady(cfg); cfg.WatchChanges = 16 })
	c.furnish("s1")
	m := c.leader()
	first := c.apply(take("p.a", 0, "s1")).Revision
	c.apply(take("p.gone", 0, "s1"))
	burst := func() api.Revision {
		r, _ := m.State().Edge("p.a")
		for range 40 {
			r = c.apply(take("p.a", r.Revision, "s1")).Edges[0]
		}
		return r.Revision
	}

	var end error
	for e, err := range m.Watch(t.Context(), api.WatchRequest{Mode: api.WatchAll, From: first}) {
		if end = err; err != nil {
			require.Greater(t, e.Revision, first)
			require.Equal(t, api.EventError, e.Type)
			again := watch(t, m.Registry, api.WatchRequest{Mode: api.WatchAll, From: e.Revision})
			require.ErrorIs(t, receive(t, again.end), api.ErrGap, "never silently")
		} else if e.Type == api.EventChange {
			burst()
		}
	}
	require.ErrorIs(t, end, api.ErrGap)

	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var last api.Revision
	states, burst1 := 0, false
	for e, err := range m.Watch(ctx, api.WatchRequest{}) {
		if err != nil {
			require.ErrorIs(t, err, enough)
			break
		}
		switch {
		case e.Type == api.EventSync && !burst1:
			burst1 = true
			r, _ := m.State().Edge("p.gone")
			c.apply(state.DeleteEdge{Name: "p.gone", Expect: r.Revision})
			last = burst()
		case e.Type == api.EventState && burst1:
			require.True(t, e.Resync)
			require.Equal(t, "p.a", e.Edge.Name, "what is gone is not there")
			require.Equal(t, last, e.Revision)
			states++
		case e.Type == api.EventSync:
			require.True(t, e.Resync)
			cancel(enough)
		}
	}
	require.Equal(t, 1, states)
}

// Leases, sessions and nodes are watched as edges are; one is told when an edge leaves the node that one watches.
func TestAllKindsAreWatched(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, steady)
	c.furnish("s1")
	host2 := c.apply(state.RegisterNode{Node: "host2", Name: "two", Address: "127.0.0.1:7001", Memory: 1 << 40}).Node
	m := c.leader().Registry
	w := watch(t, m, api.WatchRequest{Node: "host2", Kinds: api.RecordKinds})
	require.Equal(t, "two", w.until(t, isType(api.EventState)).Node.Name)
	w.until(t, isType(api.EventSync))

	c.apply(state.OpenSession{Session: "s2", Stage: "stage", Node: "host2", Incarnation: host2.Incarnation, TTL: lease.TTLDefault})
	e := w.until(t, isType(api.EventChange))
	require.Equal(t, lease.SessionID("s2"), e.Session.ID)
	require.Equal(t, api.RecordSession, e.Kind)

	r := c.apply(takeOn("p.a", "s1", "host2"))
	require.Equal(t, "p.a", w.until(t, isType(api.EventChange)).Edge.Name)
	require.Equal(t, "p.a", w.until(t, isType(api.EventChange)).Lease.Edge)

	back := takeOn("p.a", "s1", node)
	back.Edges[0].Expect = r.Edges[0].Revision
	moved := c.apply(back)
	e = w.until(t, isType(api.EventChange))
	require.True(t, e.Left)
	require.False(t, e.Deleted)
	require.Equal(t, node, e.Edge.Locator.Node)
	e = w.until(t, isType(api.EventChange))
	require.True(t, e.Deleted)
	require.Equal(t, lease.Released, e.Lease.Status)
	require.Equal(t, moved.Revision, e.Revision)

	c.apply(state.EndSession{Session: "s2"})
	e = w.until(t, isType(api.EventChange))
	require.True(t, e.Deleted)
	require.Equal(t, lease.SessionID("s2"), e.Session.ID)
}

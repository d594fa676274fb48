package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// agree waits until all members have the same state, byte for byte.
func (c *cluster) agree() {
	r := c.apply(state.Nothing{})
	var want []byte
	for i, m := range c.members {
		require.NoError(c.t, m.WaitApplied(c.within(), r.Revision))
		require.NoError(c.t, m.State().Verify())
		if got := bytesOf(c.t, m.State()); i == 0 {
			want = got
		} else {
			require.Equal(c.t, want, got, "members 0 and %d", i)
		}
	}
}

func TestLeaderChangeLosesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	c.furnish("s1")
	leader := c.leader()
	r := c.apply(take("p.a", 0, "s1"))
	c.restart(leader)
	r = c.apply(take("p.a", r.Edges[0].Revision, "s1"))
	require.Equal(t, fence.Epoch(2), r.Edges[0].Generation)
	c.agree()

	c.handOn()
	r = c.apply(take("p.a", r.Edges[0].Revision, "s1"))
	require.Equal(t, fence.Epoch(3), r.Edges[0].Generation)
	c.agree()
}

// handOn has leadership handed on. A machine that is busy may need more than the one election timeout that Raft gives it.
func (c *cluster) handOn() {
	c.t.Helper()
	for ctx := c.within(); ; {
		err := c.leader().Transfer(ctx, "")
		if err == nil {
			return
		}
		require.True(c.t, errors.Is(err, api.ErrUnavailable) || errors.Is(err, api.ErrNoQuorum), "%v", err)
		require.NoError(c.t, ctx.Err(), "%v", err)
	}
}

func TestLeadershipIsAnnounced(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, steady)
	m := c.leader()
	news := m.Leadership()
	require.Equal(t, registry.Leadership{Term: m.Term(), Leads: true}, receive(t, news))
	require.NoError(t, m.Close())
	for n := range news {
		require.False(t, n.Leads)
	}
	_, open := <-m.Leadership()
	require.False(t, open)
}

// A restarted node has its snapshot and its log; one that missed more than the log still holds gets a snapshot.
func TestRestartFromSnapshots(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, func(cfg *registry.Config) { cfg.TrailingLogs = 4 })
	c.furnish("s1")
	away := c.followers()[0]
	require.NoError(t, away.WaitApplied(c.within(), c.apply(state.Nothing{}).Revision))
	require.NoError(t, away.Snapshot(c.within())) // of something
	require.NoError(t, away.Close())
	var last state.Result
	for i := range 50 {
		last = c.apply(take(fmt.Sprint("p.", i), 0, "s1"))
	}
	for _, m := range c.members {
		if m != away {
			require.NoError(t, m.Snapshot(c.within()))
		}
	}
	away.wire = listen(t, away.address)
	restored := make(chan api.Revision, 10)
	c.prepare = func(m *member) { m.OnRestore(func(s *state.State) { restored <- s.Revision() }) }
	c.open(away)
	c.prepare = nil
	receive(t, restored) // its own
	require.NoError(t, away.WaitApplied(c.within(), last.Revision))
	require.GreaterOrEqual(t, receive(t, restored), last.Revision, "through a snapshot: the log no longer goes back that far")
	c.agree()
	require.Empty(t, away.fatal)

	for _, m := range c.members {
		c.restart(m)
	}
	c.agree()
	edges, _, _, _ := c.leader().State().Counts()
	require.Equal(t, 50, edges)
}

// An old leader that is cut off cannot answer as a leader, and when it is back nothing that it tried alone has happened
// (hashicorp/raft#695 is what could go wrong).
func TestPartitionHeals(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	c.furnish("s1")
	c.apply(take("p.a", 0, "s1"))
	for range 3 {
		old := c.leader()
		rev := edgeOf(t, old, "p.a").Revision
		old.wire.setCut(true)
		lost := make(chan error, 1)
		go func() {
			_, err := old.Apply(c.within(), take("p.a", rev, "s1"))
			lost <- err
		}()
		c.another(old)
		c.apply(take("p.a", rev, "s1"))
		require.ErrorIs(t, old.Read(c.within(), api.Strict), api.ErrNoQuorum)
		require.ErrorIs(t, old.Read(c.within(), api.Default), api.ErrNoQuorum)
		old.wire.setCut(false)
		kind := api.ErrorOf(receive(t, lost)).Kind
		require.Contains(t, []api.Kind{api.KindUnknown, api.KindNoQuorum}, kind)
		c.agree()
	}
	require.Equal(t, fence.Epoch(4), edgeOf(t, c.leader(), "p.a").Generation)
}

func edgeOf(t testing.TB, m *member, name string) state.Record {
	r, ok := m.State().Edge(name)
	require.True(t, ok)
	return r
}

func TestMembersComeAndGo(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, steady)
	c.furnish("s1")
	m := &member{id: "late", dir: t.TempDir(), fatal: make(chan error, 1)}
	m.wire = listen(t, "127.0.0.1:0")
	m.address = m.wire.Addr().String()
	c.open(m)
	has, err := m.HasState()
	require.NoError(t, err)
	require.False(t, has)
	leader := c.leader()
	require.NoError(t, leader.AddNonvoter(c.within(), registry.Peer{ID: m.id, Address: m.address}))
	c.members = append(c.members, m)
	c.agree()
	require.Equal(t, 1, leader.Stats().Voters)
	require.ErrorIs(t, leader.Transfer(c.within(), m.id), api.ErrConflict, "it does not vote yet")
	require.NoError(t, leader.Promote(c.within(), m.id))
	require.ErrorIs(t, leader.Promote(c.within(), "nobody"), api.ErrNotFound)
	has, err = m.HasState()
	require.NoError(t, err)
	require.True(t, has)
	servers, err := leader.Servers()
	require.NoError(t, err)
	require.Len(t, servers, 2)
	require.Equal(t, 2, leader.Stats().Voters)
	known, ok := m.Leader()
	require.True(t, ok)
	require.Equal(t, registry.Peer{ID: leader.id, Address: leader.address}, known)

	require.ErrorIs(t, leader.RemoveServer(c.within(), leader.id), api.ErrConflict)
	require.NoError(t, leader.RemoveServer(c.within(), m.id))
	c.apply(take("p.a", 0, "s1"))
}

// A change was made durable by two of three. One of them is wiped and comes back at its old address under a new name, the other
// stops: the third, which missed the change, must not be elected by a vote of the one that was wiped.
func TestAWipedServerDoesNotVoteForItsPredecessor(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	c.furnish("s1")
	leader, others := c.leader(), c.followers()
	behind, wiped := others[0], others[1]
	require.NoError(t, behind.Close())
	c.apply(take("p.a", 0, "s1"))
	require.NoError(t, leader.Close())
	require.NoError(t, wiped.Close())
	wiped.id, wiped.dir = "another", t.TempDir()
	wiped.wire = listen(t, wiped.address)
	c.open(wiped)
	behind.wire = listen(t, behind.address)
	c.open(behind)
	require.Eventually(t, func() bool {
		wiped.wire.mu.Lock()
		defer wiped.wire.mu.Unlock()
		return wiped.wire.calls >= 4 || behind.IsLeader() // it has campaigned
	}, patience, time.Millisecond)
	require.False(t, behind.IsLeader())
	leader.wire = listen(t, leader.address)
	c.open(leader)
	c.apply(state.Nothing{})
	edgeOf(t, c.leader(), "p.a")
}

// watched follows a stream as a client does: it resumes at another member when one ends.
type watched struct {
	edges map[string]api.Edge
	from  api.Revision
}

func (w *watched) take(t testing.TB, e api.Event) {
	switch e.Type {
	case api.EventState, api.EventChange:
		old, had := w.edges[e.Edge.Name]
		require.False(t, had && e.Edge.Revision < old.Revision, "edge %s went back", e.Edge.Name)
		require.False(t, had && e.Edge.Generation < old.Generation, "edge %s went back", e.Edge.Name)
		w.edges[e.Edge.Name] = *e.Edge
	case api.EventSync, api.EventBookmark:
		require.GreaterOrEqual(t, e.Revision, w.from)
		w.from = e.Revision
	}
}

func TestWatchGoesOnThroughLeaderChanges(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	c.furnish("s1")
	const edges, rounds = 3, 40
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range rounds {
			name := fmt.Sprint("p.", i%edges)
			r, _ := c.leader().State().Edge(name)
			c.applyUntil(take(name, r.Revision, "s1"), name)
			if i%15 == 7 {
				_ = c.leader().Transfer(c.within(), "") // whether or not it succeeds
			}
		}
	}()
	w := watched{edges: map[string]api.Edge{}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	final := func() (sum fence.Epoch) {
		for _, e := range w.edges {
			sum += e.Generation
		}
		return sum
	}
	for i := 0; final() < rounds; i++ {
		require.NoError(t, ctx.Err())
		// A few events from each member in turn, so that the stream is resumed often.
		n := 0
		for e, err := range c.members[i%3].Watch(ctx, api.WatchRequest{Prefix: "p.", From: w.from}) {
			if err != nil {
				require.ErrorIs(t, err, api.ErrNoQuorum) // on to the next, as a client does
				break
			}
			w.take(t, e)
			if n++; n >= 8 && e.Type == api.EventBookmark {
				break
			}
		}
	}
	receive(t, done)
}

// applyUntil applies a change of one edge, as a client does that resolves unknown outcomes by the operation's name.
func (c *cluster) applyUntil(cmd state.ChangeEdges, name string) {
	for {
		leader := c.leader()
		if err := leader.Read(c.within(), api.Strict); err != nil {
			continue
		}
		r, _ := leader.State().Edge(name)
		if r.Op.ID == cmd.Op {
			return
		}
		cmd.Edges[0].Expect, cmd.Edges[0].Lease = r.Revision, lease.NewID()
		_, err := leader.Apply(c.within(), cmd)
		if err == nil {
			return
		}
		if kind := api.ErrorOf(err).Kind; kind != api.KindNoQuorum && kind != api.KindUnknown && kind != api.KindConflict {
			panic(err)
		}
	}
}

func TestWatchEndsWithItsReasons(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	c.furnish("s1")
	m := c.followers()[0]
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	why := errors.New("enough")
	for e, err := range m.Watch(ctx, api.WatchRequest{}) {
		if err != nil {
			require.ErrorIs(t, err, why)
		} else if e.Type == api.EventSync {
			cancel(why)
		}
	}
	// From a revision that does not exist yet: an error, not an older state.
	short, done := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer done()
	for _, err := range m.Watch(short, api.WatchRequest{From: m.State().Revision() + 1000}) {
		require.ErrorIs(t, err, api.ErrUnavailable)
	}
	// Cut off: a stream that looks alive and is not is worse than none.
	m.wire.setCut(true)
	var last error
	for _, err := range m.Watch(t.Context(), api.WatchRequest{}) {
		last = err
	}
	require.ErrorIs(t, last, api.ErrNoQuorum)
	m.wire.setCut(false)
}

func bytesOf(t testing.TB, s *state.State) []byte {
	var b bytes.Buffer
	require.NoError(t, s.Write(&b))
	return b.Bytes()
}

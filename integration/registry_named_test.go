package integration

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/integration/nemesis"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Faults that broke others, each by the name of the report. Those that clients must be looked at for are runs with a plan.
func TestNamedFaults(t *testing.T) {
	needsTime(t)
	leader := []int{nemesis.Leader}
	stopped := nemesis.Phase{{Kind: nemesis.Stop, Nodes: leader, At: time.Second, For: 2 * time.Second}}
	var transfers nemesis.Phase
	for i := range 10 {
		transfers = append(transfers, nemesis.Step{Kind: nemesis.Transfer, Nodes: []int{i % 3}, At: time.Duration(i) * 200 * time.Millisecond, For: time.Millisecond})
	}
	for name, plan := range map[string][]nemesis.Phase{
		// A paused leader answers reads from before its pause.
		"etcd-20418 leader paused under reads": slices.Repeat([]nemesis.Phase{stopped}, 3),
		// A leader stuck for longer than the leases comes back and ends them all.
		"etcd-15247 leader paused longer than leases": {{{Kind: nemesis.Stop, Nodes: leader, At: 3 * time.Second, For: 3 * holderTerm}}},
		"etcd-15247 leader stuck in fdatasync":        {{{Kind: nemesis.SlowDisk, Nodes: leader, At: 3 * time.Second, For: 2 * holderTerm, Size: 3 * time.Second}}},
		// Leases are forgotten, or begin anew, at each change of the leader.
		"etcd-9888 ten leaders in a term": {transfers, transfers},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			torture{nodes: 3, tags: "faults", plan: plan, groups: 6, think: 40 * time.Millisecond}.run(t)
		})
	}
}

// small starts three nodes by proxy.
func small(t *testing.T) *ensemble {
	t.Helper()
	w, addresses := newProxies(t, 3)
	return newEnsemble(t, t.TempDir(), ensembleConfig{nodes: 3, tags: "faults"}, w, addresses)
}

// leads returns the leader, and the others.
func (e *ensemble) leads() (leader *member, others []*member) {
	e.t.Helper()
	require.NoError(e.t, await(e.t.Context(), "there is a leader", func(ctx context.Context) error {
		n := e.leader(ctx)
		if n < 0 {
			return errors.New("none")
		}
		leader, others = e.members[n], slices.Delete(slices.Clone(e.members), n, n+1)
		return nil
	}))
	return leader, others
}

// write writes through a node until that has worked, and returns the revision.
func (m *member) write(ctx context.Context) (at api.Revision, err error) {
	err = await(ctx, "a write by way of "+m.name, func(ctx context.Context) error {
		c, err := m.api.PutCheckpoint(ctx, "probe", api.CheckpointRequest{Epoch: 1})
		at = c.Revision
		return err
	})
	return at, err
}

// A leader whose disk hangs keeps its followers from electing another (hashicorp/raft#503, #666): here it gives up.
func TestRaft503LeaderDiskHangs(t *testing.T) {
	needsTime(t)
	t.Parallel()
	e := small(t)
	leader, others := e.leads()
	require.NoError(t, leader.sick("hang"))
	t.Cleanup(func() { _ = leader.sick("") })
	_, err := others[0].write(t.Context())
	require.NoError(t, err)
	next, _ := e.leads()
	require.NotEqual(t, leader.name, next.name)
	require.NoError(t, leader.sick(""))
	require.NoError(t, e.working(t.Context()))
}

// A follower whose disk hiccups never gets another entry (hashicorp/raft#612): here it catches up, and the leader stays.
func TestRaft612FollowerDiskStalls(t *testing.T) {
	needsTime(t)
	t.Parallel()
	e := small(t)
	leader, others := e.leads()
	before, err := leader.api.Status(t.Context())
	require.NoError(t, err)
	require.NoError(t, others[0].sick("delay 2s"))
	var last api.Revision
	for range 30 {
		last, err = leader.write(t.Context())
		require.NoError(t, err)
	}
	require.NoError(t, others[0].sick(""))
	require.NoError(t, await(t.Context(), "the follower has all", func(ctx context.Context) error {
		s, err := others[0].api.Status(ctx)
		if err == nil && s.Revision < last {
			err = errors.New("behind")
		}
		return err
	}))
	after, err := leader.api.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, before.Started, after.Started, "without a restart of the leader")
}

// A transfer that a partition interrupts leaves a leader that refuses every write, for ever (hashicorp/raft#696).
func TestRaft696TransferInterrupted(t *testing.T) {
	needsTime(t)
	t.Parallel()
	e := small(t)
	for range 3 {
		leader, others := e.leads()
		s, err := others[0].api.Status(t.Context())
		require.NoError(t, err)
		b := newBreaker(e, nil)
		ways := b.ways(nemesis.Cut, []*member{leader})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = leader.api.TransferLeadership(t.Context(), api.TransferRequest{To: s.Node}) // may or may not succeed
		}()
		require.NoError(t, b.close(ways))
		<-done
		_, err = others[1].write(t.Context())
		require.NoError(t, err)
		require.NoError(t, b.open(ways))
		require.NoError(t, e.working(t.Context()))
		for _, m := range e.members { // each takes its turn, the interrupted one too
			s, err := m.api.Status(t.Context())
			require.NoError(t, err)
			_, _ = m.api.TransferLeadership(t.Context(), api.TransferRequest{To: s.Node})
			_, err = m.write(t.Context())
			require.NoError(t, err)
		}
	}
}

// A watch that goes on at a member which is behind gets what it had already, or nothing for ever (etcd#15271, #20221).
func TestEtcd15271WatchGoesOnAtALaggard(t *testing.T) {
	needsTime(t)
	t.Parallel()
	e := small(t)
	leader, others := e.leads()
	lag, b := others[0], newBreaker(e, nil)
	ways := b.ways(nemesis.Cut, []*member{lag})
	require.NoError(t, b.close(ways))
	c := e.stage(t, leader)
	var last api.Edge
	for range 5 {
		last = c.takeOver(t, last)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan api.Event)
	go func() {
		defer close(seen)
		for ctx.Err() == nil { // a node that cannot answer says so; a reader asks again
			for e, err := range lag.api.Watch(ctx, api.WatchRequest{Mode: api.WatchAll, From: last.Revision}) {
				if err != nil {
					break
				}
				seen <- e
			}
			pass(ctx, 50*time.Millisecond)
		}
	}()
	require.NoError(t, b.open(ways))
	next := c.takeOver(t, last)
	for e := range seen {
		require.GreaterOrEqual(t, e.Revision, last.Revision)
		if e.Type == api.EventChange {
			require.Equal(t, next.Revision, e.Revision, "what comes next, and nothing from before")
			break
		}
	}
	cancel()
	for range seen {
	}
}

// stage is a stage's client at a node.
type stage struct{ *client.Client }

func (e *ensemble) stage(t *testing.T, m *member) stage {
	c, err := client.Dial(t.Context(), client.Config{Socket: m.socket, Stage: "stage", TTL: lease.TTLMin})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return stage{c}
}

// takeOver changes an edge from the record that was last seen.
func (c stage) takeOver(t *testing.T, was api.Edge) api.Edge {
	t.Helper()
	edges, err := c.Change(t.Context(), api.ChangeRequest{Reason: api.ReasonTakeover, Edges: []api.EdgeChange{{
		Name: "named.x", Expect: was.Revision, TakeProducer: true, ProducerStage: "stage", Capacity: ringBytes,
	}}})
	require.NoError(t, err)
	return edges[0]
}

// A node that is told to bootstrap, and has state, founds another cluster when it starts alone (seaweedfs#10880).
func TestSeaweedfs10880BootstrapFlagOnRestart(t *testing.T) {
	needsTime(t)
	t.Parallel()
	e := small(t)
	before, err := e.members[0].api.Status(t.Context())
	require.NoError(t, err)
	for _, m := range e.members {
		m.kill()
	}
	alone := e.members[0]
	args := slices.Clone(alone.args)
	for i, arg := range alone.args {
		if arg == "--bootstrap-expect" {
			alone.args[i+1] = "1"
		}
		if arg == "--join" {
			alone.args[i+1] = alone.address
		}
	}
	alone.start()
	var s api.Status
	require.NoError(t, await(t.Context(), "it answers, without a leader", func(ctx context.Context) (err error) {
		s, err = alone.api.Status(ctx)
		if err == nil && time.Since(s.Started) < 5*time.Second {
			err = errors.New("it may yet elect itself")
		}
		return err
	}))
	require.Contains(t, []string{"", before.Cluster}, s.Cluster, "alone it may not know, but it is in no other")
	require.Equal(t, locator.NodeID(""), s.Leader)
	_, err = alone.api.Edges(t.Context(), "", api.Strict)
	require.Error(t, err)
	alone.signal(syscall.SIGKILL)
	_ = alone.wait()
	alone.args = args
	require.NoError(t, e.working(t.Context()))
	for _, m := range e.members {
		s, err := m.api.Status(t.Context())
		require.NoError(t, err)
		require.Equal(t, before.Cluster, s.Cluster)
	}
}

package host_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/shm"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/node/host"
)

// pair is the two sides of a ring, attached by two clients.
type pair struct {
	producer fabric.Producer
	consumer fabric.Consumer
}

func attach(t *testing.T, p, c *client.Client, e api.Edge) pair {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	type result struct {
		p   fabric.Producer
		err error
	}
	done := make(chan result, 1)
	go func() {
		side, err := p.AttachProducer(ctx, e)
		done <- result{side, err}
	}()
	consumer, err := c.AttachConsumer(ctx, e)
	r := <-done
	require.NoError(t, errors.Join(err, r.err))
	t.Cleanup(func() { r.p.Close(); consumer.Close() })
	return pair{r.p, consumer}
}

func push(t *testing.T, p fabric.Producer, text string) {
	t.Helper()
	b, err := p.Claim(len(text))
	require.NoError(t, err)
	copy(b, text)
	require.NoError(t, p.Commit())
	require.NoError(t, p.Flush())
}

func pop(t *testing.T, c fabric.Consumer) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		b, err := c.Next()
		if err == nil {
			return string(b)
		}
		require.ErrorIs(t, err, fabric.ErrEmpty)
		require.NoError(t, c.Wait(ctx))
	}
}

// lossOf waits until a producer learns that its ring is gone, and returns how.
func lossOf(t *testing.T, p fabric.Producer) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		if _, _, err := p.Resume(); err != nil {
			return err
		}
		require.NoError(t, p.Wait(ctx))
	}
}

// footprint is what each ring takes of a node's memory.
var footprint = uint64(shm.Footprint(capacity))

func TestTwoStagesShareARing(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1)
	a, b := dial(t, n.socket, "a"), dial(t, n.socket, "b")
	e := c.grant("e", 1, 1, session(t, a).ID, session(t, b).ID)
	ring := attach(t, a, b, e)
	push(t, ring.producer, "hello")
	require.Equal(t, "hello", pop(t, ring.consumer))
	used, _ := n.Memory()
	require.EqualValues(t, footprint, used)
	require.Len(t, n.Rings(), 1)

	_, err := a.AttachProducer(t.Context(), e)
	require.True(t, fabric.Lost(err), "a side is attached once: %v", err)

	c.end(e, lease.Revoked)
	require.ErrorIs(t, lossOf(t, ring.producer), fabric.ErrRevoked)
	used, _ = n.Memory()
	require.EqualValues(t, footprint, used, "still mapped by both")
	ring.producer.Close()
	ring.consumer.Close()
	require.Eventually(t, func() bool { used, _ := n.Memory(); return used == 0 }, patience, time.Millisecond)
}

func TestOnlyTheHolderMayAttach(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1)
	a, b := dial(t, n.socket, "a"), dial(t, n.socket, "b")
	sa, sb := session(t, a), session(t, b)
	e := c.grant("e", 3, 1, sa.ID, sb.ID)
	older, other, unknown := e, e, e
	older.Generation--
	other.Name = "f"
	unknown.Locator.Arena = "nowhere"
	for name, try := range map[string]func() error{
		"other role":         func() error { _, err := a.AttachConsumer(t.Context(), e); return err },
		"other session":      func() error { _, err := b.AttachProducer(t.Context(), e); return err },
		"another generation": func() error { _, err := a.AttachProducer(t.Context(), older); return err },
		"another edge":       func() error { _, err := a.AttachProducer(t.Context(), other); return err },
		"unknown arena":      func() error { _, err := a.AttachProducer(t.Context(), unknown); return err },
	} {
		err := try()
		require.True(t, fabric.Lost(err), "%s: %v", name, err)
	}
	require.Empty(t, n.Rings(), "nothing was made for them")

	old := c.grant("g", 1, 0, sa.ID, sb.ID)
	_, err := a.AttachProducer(t.Context(), old)
	require.True(t, fabric.Lost(err))
	require.ErrorContains(t, err, "did not survive")
}

// Each end of a lease reaches the sides as its own error.
func TestSealsCarryTheirReason(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1)
	a, b := dial(t, n.socket, "a"), dial(t, n.socket, "b")
	for status, want := range map[lease.Status]error{
		lease.Expired: fabric.ErrLeaseExpired, lease.Revoked: fabric.ErrRevoked, lease.Released: fabric.ErrSealed,
	} {
		e := c.grant("e-"+string(status), 1, 1, session(t, a).ID, session(t, b).ID)
		ring := attach(t, a, b, e)
		c.end(e, status)
		require.ErrorIs(t, lossOf(t, ring.producer), want)
	}
}

func TestMemoryIsNeverOverlent(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1, configure(2*footprint))
	a, b := dial(t, n.socket, "a"), dial(t, n.socket, "b")
	sa, sb := session(t, a).ID, session(t, b).ID
	one := c.grant("one", 1, 1, sa, sb)
	first := attach(t, a, b, one)
	attach(t, a, b, c.grant("two", 1, 1, sa, sb))
	c.end(one, lease.Released) // the cluster thinks that there is room; the two stages still map it
	require.ErrorIs(t, lossOf(t, first.producer), fabric.ErrSealed)

	three := c.grant("three", 1, 1, sa, sb)
	_, err := a.AttachProducer(t.Context(), three)
	require.True(t, fabric.Lost(err))
	require.ErrorIs(t, err, api.ErrNoRoom)

	first.producer.Close()
	first.consumer.Close()
	require.Eventually(t, func() bool { used, _ := n.Memory(); return used == footprint }, patience, time.Millisecond)
	attach(t, a, b, three)
}

func TestClosingEndsTheSessionAtOnce(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1)
	a := dial(t, n.socket, "a")
	s := session(t, a)
	c.edit(func() { c.refuse = api.ErrNoQuorum }) // asked in vain, at first
	a.Close()
	<-s.Lost
	require.Eventually(t, func() bool { return n.Sessions() == 0 }, patience, time.Millisecond)
	_, alive := c.Session(s.ID)
	require.True(t, alive)
	c.edit(func() { c.refuse = nil })
	require.Eventually(t, func() bool { _, alive := c.Session(s.ID); return !alive }, patience, time.Millisecond)
	_, err := a.Session(t.Context())
	require.ErrorIs(t, err, client.ErrClosed)
}

func TestStageIsToldThatItsSessionEnded(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1)
	a := dial(t, n.socket, "a")
	s := session(t, a)
	c.edit(func() { delete(c.sessions, s.ID) })
	select {
	case <-s.Lost:
	case <-time.After(patience):
		t.Fatal("not told")
	}
	require.NotEqual(t, s.ID, session(t, a).ID, "the next session is another")
}

// reports is an Observer that hands on what it is told.
type reports chan api.StageReport

func (reports) Began(lease.SessionID, string)                    {}
func (r reports) Report(_ lease.SessionID, told api.StageReport) { r <- told }
func (reports) Ended(lease.SessionID)                            {}

// What is no side of an edge that there is would be kept without end, under whatever name a stage invents.
func TestReports(t *testing.T) {
	c, heard := newCluster(), make(reports, 1)
	n := startNode(t, c, socketPath(t), 1, func(c *host.Config) { c.Observer = heard })
	a := dial(t, n.socket, "a")
	session(t, a)
	want := api.StageReport{Stage: "a", Edges: []api.EdgeReport{{Edge: "e", Role: fabric.RoleProducer, Items: 7}}}
	told := want
	told.Edges = append(told.Edges, api.EdgeReport{Edge: "none", Role: fabric.RoleProducer}, api.EdgeReport{Edge: "e", Role: "third"})
	require.NoError(t, a.Report(t.Context(), told))
	require.Equal(t, want, <-heard)
}

// Who looks at one session's report for long keeps no other session waiting, and may ask the host.
func TestASlowObserverHoldsNobodyUp(t *testing.T) {
	c, heard := newCluster(), make(reports)
	n := startNode(t, c, socketPath(t), 1, func(c *host.Config) { c.Observer = heard })
	slow := dial(t, n.socket, "slow")
	session(t, slow)
	require.NoError(t, slow.Report(t.Context(), api.StageReport{Stage: "slow"})) // nobody hears it yet
	a, b := dial(t, n.socket, "a"), dial(t, n.socket, "b")
	ring := attach(t, a, b, c.grant("e", 1, 1, session(t, a).ID, session(t, b).ID))
	push(t, ring.producer, "hello")
	require.Equal(t, "hello", pop(t, ring.consumer))
	require.Equal(t, 3, n.Sessions())
	require.Equal(t, "slow", (<-heard).Stage)
}

func TestDrainMovesEdgesNow(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1)
	a, b := dial(t, n.socket, "a"), dial(t, n.socket, "b")
	sa, sb := session(t, a).ID, session(t, b).ID
	ring := attach(t, a, b, c.grant("e", 1, 1, sa, sb))
	n.Drain()
	require.ErrorIs(t, lossOf(t, ring.producer), fabric.ErrSealed)
	_, err := a.AttachProducer(t.Context(), c.grant("f", 1, 1, sa, sb))
	require.True(t, fabric.Lost(err))
}

// A node that comes back within the deadline takes its sessions and rings over; nothing moves.
func TestRingSurvivesItsNodesRestart(t *testing.T) {
	c := newCluster()
	socket := socketPath(t)
	n := startNode(t, c, socket, 1)
	a, b := dial(t, socket, "a"), dial(t, socket, "b")
	sa, sb := session(t, a), session(t, b)
	e := c.grant("e", 1, 1, sa.ID, sb.ID)
	ring := attach(t, a, b, e)
	push(t, ring.producer, "before")
	n.stop()
	push(t, ring.producer, "meanwhile")
	require.Equal(t, "before", pop(t, ring.consumer))

	n = startNode(t, c, socket, 2)
	require.Eventually(t, func() bool {
		rings := n.Rings()
		return n.Sessions() == 2 && len(rings) == 1 && rings[0].Attached == 2
	}, patience, time.Millisecond)
	c.mu.Lock()
	require.Equal(t, 1, c.adopted, "once, though both have handed it back")
	require.Empty(t, c.over)
	c.mu.Unlock()
	require.Equal(t, sa.ID, session(t, a).ID)
	push(t, ring.producer, "after")
	require.Equal(t, "meanwhile", pop(t, ring.consumer))
	require.Equal(t, "after", pop(t, ring.consumer))

	c.end(e, lease.Revoked) // and the new node is its owner in earnest
	require.ErrorIs(t, lossOf(t, ring.producer), fabric.ErrRevoked)
}

func TestRefusedAdoptionSeals(t *testing.T) {
	for name, spoil := range map[string]func(*cluster, api.Edge) error{
		"expired": func(c *cluster, e api.Edge) error {
			c.end(e, lease.Expired)
			return fabric.ErrLeaseExpired
		},
		"revoked by the leader": func(c *cluster, _ api.Edge) error {
			c.edit(func() { c.refuseTo = lease.ErrRevoked })
			return fabric.ErrRevoked
		},
		"other side was remote": func(c *cluster, e api.Edge) error {
			c.edit(func() {
				r := c.rings[e.Locator.Arena]
				r.Consumer.Node = "elsewhere"
				c.rings[e.Locator.Arena] = r
			})
			return fabric.ErrSealed
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster()
			socket := socketPath(t)
			n := startNode(t, c, socket, 1)
			a, b := dial(t, socket, "a"), dial(t, socket, "b")
			e := c.grant("e", 1, 1, session(t, a).ID, session(t, b).ID)
			ring := attach(t, a, b, e)
			n.stop()
			want := spoil(c, e)
			n = startNode(t, c, socket, 2)
			require.ErrorIs(t, lossOf(t, ring.producer), want)
			require.Eventually(t, func() bool { return len(n.Rings()) == 0 }, patience, time.Millisecond)
		})
	}
}

// A ring whose adoption came to nothing here, though the cluster had agreed, is not made anew: a generation has one memory.
func TestARingIsNeverMadeTwice(t *testing.T) {
	c := newCluster()
	socket := socketPath(t)
	n := startNode(t, c, socket, 1)
	a, b := dial(t, socket, "a"), dial(t, socket, "b")
	e := c.grant("e", 1, 1, session(t, a).ID, session(t, b).ID)
	ring := attach(t, a, b, e)
	n.stop()
	c.edit(func() { c.forget = api.ErrConflict })
	n = startNode(t, c, socket, 2)
	require.Error(t, lossOf(t, ring.producer))
	require.Eventually(t, func() bool { return n.Sessions() == 2 }, patience, time.Millisecond)
	c.edit(func() {}) // the node looks at the state again, which grants it the ring
	refused := make(chan error, 2)
	go func() {
		_, err := a.AttachProducer(t.Context(), e)
		refused <- err
	}()
	go func() {
		_, err := b.AttachConsumer(t.Context(), e)
		refused <- err
	}()
	for range 2 {
		err := <-refused
		require.True(t, fabric.Lost(err), "%v", err)
	}
	c.end(e, lease.Released)
	require.Eventually(t, func() bool { return len(n.Rings()) == 0 }, patience, time.Millisecond)
}

// While the node is away, nothing but the deadlines ends what its stages have.
// A node that renewed nothing, or terms that are longer, looks again much later than the term of a session that begins now.
func TestANewSessionIsRenewedAtOnce(t *testing.T) {
	c := newCluster()
	c.patient = true
	n := startNode(t, c, socketPath(t), 1)
	s := session(t, dial(t, n.socket, "a"))
	require.Eventually(t, func() bool { return n.renewals(s.ID) > 0 }, patience, time.Millisecond)
}

func TestSessionEndsAtItsDeadlineWithoutNode(t *testing.T) {
	c := newCluster()
	socket := socketPath(t)
	n := startNode(t, c, socket, 1)
	a, b := dial(t, socket, "a"), dial(t, socket, "b")
	sa, sb := session(t, a), session(t, b)
	ring := attach(t, a, b, c.grant("e", 1, 1, sa.ID, sb.ID))
	n.stop()
	os.Remove(socket)
	select {
	case <-sa.Lost:
	case <-time.After(patience):
		t.Fatal("the session outlived its deadline")
	}
	require.ErrorIs(t, lossOf(t, ring.producer), fabric.ErrLeaseExpired)
}

// A ring that only ended sessions have mapped is not renewed, though its memory counts.
func TestRingOfEndedSessionsIsNotRenewed(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1)
	a, b := dial(t, n.socket, "a"), dial(t, n.socket, "b")
	sa, sb := session(t, a), session(t, b)
	ring := attach(t, a, b, c.grant("e", 1, 1, sa.ID, sb.ID))
	renewable := func() bool {
		leases, _ := n.Renewable()
		return len(leases) == 1
	}
	require.True(t, renewable())
	c.edit(func() { delete(c.sessions, sa.ID) })
	<-sa.Lost
	require.True(t, renewable(), "the other side goes on")
	c.edit(func() { delete(c.sessions, sb.ID) })
	<-sb.Lost
	require.Eventually(t, func() bool { return !renewable() }, patience, time.Millisecond)
	require.Equal(t, 2, n.Rings()[0].Attached)
	ring.producer.Close()
	ring.consumer.Close()
}

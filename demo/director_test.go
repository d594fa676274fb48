package demo

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/demo/internal/event"
	"github.com/grafnode/grafnode/demo/internal/plan"
	"github.com/grafnode/grafnode/demo/internal/timeline"
	"github.com/grafnode/grafnode/demo/internal/view"
	"github.com/grafnode/grafnode/examples/accesslog"
	"github.com/grafnode/grafnode/fabric"
)

// stageManager is a director with what it asked for.
type stageManager struct {
	*director
	t      *testing.T
	now    time.Time
	begun  int
	killed []string
}

func direction(t *testing.T, kills ...plan.Kill) *stageManager {
	start := time.Now()
	tl := timeline.New(start, accesslog.EdgeIngest, accesslog.EdgeParse, accesslog.EdgeEnrich)
	m := &stageManager{t: t, now: start}
	m.director = &director{
		lines: 100, patience: time.Minute, kills: kills, t: tl, view: view.New(&bytes.Buffer{}, tl, 100),
		nodes: map[string]bool{"node-1": false, "node-2": false},
		down:  map[string]bool{}, finished: map[string]bool{}, moved: start,
		begin: func() { m.begun++ },
		kill:  func(process string) { m.killed = append(m.killed, process) },
	}
	return m
}

// tell gives the director events, a millisecond after one another.
func (m *stageManager) tell(events ...event.Event) {
	m.t.Helper()
	for _, e := range events {
		m.now = m.now.Add(time.Millisecond)
		e.At = m.now
		require.NoError(m.t, m.take(e))
	}
}

// after lets time pass.
func (m *stageManager) after(d time.Duration) error {
	m.now = m.now.Add(d)
	return m.look(m.now)
}

func committed(line uint64) event.Event {
	return event.Event{Kind: event.Committed, Process: "store", Items: 1, Line: line}
}

// up is everything that happens until items flow.
func (m *stageManager) up() {
	m.tell(
		event.Event{Kind: event.Ready, Process: "node-1"}, event.Event{Kind: event.Ready, Process: "node-2"},
		event.Event{Kind: event.Leading, Process: "node-2"},
		event.Event{Kind: event.Claimed, Process: "enrich-2", Edge: accesslog.EdgeParse, Role: fabric.RoleConsumer},
		event.Event{Kind: event.Changed, Edge: accesslog.EdgeParse, Generation: 5, Node: "node-1"},
	)
}

func TestStagesBeginOnceAllNodesAreReady(t *testing.T) {
	m := direction(t)
	m.tell(event.Event{Kind: event.Ready, Process: "node-1"})
	require.Zero(t, m.begun)
	m.tell(event.Event{Kind: event.Ready, Process: "node-2"}, event.Event{Kind: event.Ready, Process: "node-1"})
	require.Equal(t, 1, m.begun)
}

func TestKillsWaitForTheirTurn(t *testing.T) {
	m := direction(t,
		plan.Kill{What: plan.RingNode, Progress: 0.2, Pause: time.Second},
		plan.Kill{What: plan.Enrich, Progress: 0.4, Pause: time.Second},
		plan.Kill{What: plan.Leader, Progress: 0.9, Pause: 0})
	m.up()
	m.tell(committed(19))
	require.NoError(t, m.after(10*time.Second))
	require.Empty(t, m.killed, "too early in the input")
	m.tell(committed(20))
	require.NoError(t, m.after(time.Second))
	require.Equal(t, []string{"node-1"}, m.killed)

	m.tell(event.Event{Kind: event.Exited, Process: "node-1", Cause: "signal: killed"}, committed(50))
	require.NoError(t, m.after(10*time.Second))
	m.tell(event.Event{Kind: event.Ready, Process: "node-1"})
	require.NoError(t, m.after(10*time.Second))
	require.Len(t, m.killed, 1, "not recovered: no new item through a new ring")
	m.tell(event.Event{Kind: event.FirstItem, Edge: accesslog.EdgeParse, Role: fabric.RoleConsumer, Generation: 6})
	require.NoError(t, m.after(0))
	require.NoError(t, m.after(999*time.Millisecond))
	require.Len(t, m.killed, 1, "the pause")
	require.NoError(t, m.after(time.Millisecond))
	require.Equal(t, []string{"node-1", "enrich-2"}, m.killed, "the enrich that works, not the one that waits")

	m.tell(committed(100))
	require.NoError(t, m.after(10*time.Second))
	require.Equal(t, []string{"leader"}, m.notReached())
}

func TestVictims(t *testing.T) {
	m := direction(t)
	process, _ := m.victim(plan.Store)
	require.Empty(t, process, "not known yet")
	m.up()
	for what, want := range map[plan.What][2]string{
		plan.RingNode: {"node-1", accesslog.EdgeParse},
		plan.Leader:   {"node-2", ""},
		plan.Enrich:   {"enrich-2", accesslog.EdgeParse},
		plan.Store:    {"", accesslog.EdgeEnrich},
		plan.Ingest:   {"", accesslog.EdgeIngest},
		plan.Parse:    {"", accesslog.EdgeParse},
	} {
		process, edge := m.victim(what)
		require.Equal(t, want, [2]string{process, edge}, what)
	}
}

func TestOverWhenAllIsStored(t *testing.T) {
	m := direction(t)
	m.up()
	for _, process := range []string{"parse", "enrich-2", "store"} {
		m.tell(event.Event{Kind: event.Exited, Process: process})
	}
	m.tell(event.Event{Kind: event.Exited, Process: "ingest", Cause: "signal: killed"})
	require.False(t, m.over(m.now.Add(time.Hour)), "ingest will have to read again")
	m.tell(event.Event{Kind: event.Exited, Process: "ingest"})
	require.True(t, m.over(m.now))
}

func TestOverThoughAStageDoesNotFinish(t *testing.T) {
	m := direction(t)
	m.up()
	m.tell(event.Event{Kind: event.Exited, Process: "ingest"})
	require.False(t, m.over(m.now.Add(lastGrace-time.Millisecond)))
	require.True(t, m.over(m.now.Add(lastGrace)))
}

func TestGivingUp(t *testing.T) {
	m := direction(t)
	m.up()
	m.tell(committed(3))
	require.NoError(t, m.after(time.Millisecond))
	require.NoError(t, m.after(time.Minute))
	var stalled *stalledError
	require.ErrorAs(t, m.after(time.Second), &stalled)
	require.ErrorContains(t, stalled, "at line 3")

	var broken *brokenError
	require.ErrorAs(t, m.take(event.Event{Kind: event.Exited, Process: "node-2", Cause: "exit status 2"}), &broken)
	require.Equal(t, "node-2", broken.process)
}

func TestRunEnds(t *testing.T) {
	m := direction(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := context.DeadlineExceeded
	cancel(cause)
	require.ErrorIs(t, m.run(ctx, nil), cause)

	events := make(chan event.Event, 4)
	for _, i := range instances[:4] {
		events <- event.Event{At: time.Now(), Kind: event.Exited, Process: i.process}
	}
	require.NoError(t, m.run(context.Background(), events))
}

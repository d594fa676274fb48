package integration

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/integration/nemesis"
)

// A leader that is cut off and believes in itself for much longer than the others do answers no default read with what it knows,
// while another leads and has written more.
func TestCutOffLeaderReadsNothing(t *testing.T) {
	needsTime(t)
	t.Parallel()
	torture{nodes: 3, tags: "faults", each: stubbornFirst, idle: true, script: readBehind}.run(t)
}

// stubbornFirst is flags by which the first node leads for longer without followers than a slow machine takes to elect another.
// It beats at random once or twice in a tenth of its patience, which must be less than the others'.
func stubbornFirst(number int) []string {
	if number == 0 {
		return []string{"--raft-heartbeat", "40s"}
	}
	return []string{"--raft-heartbeat", "9s"}
}

func readBehind(ctx context.Context, e *ensemble, rec *history.Recorder) error {
	e.leadBy(ctx, 0)
	readers, stop := context.WithCancel(ctx)
	reader := newWorker(0, e, rec, 1, time.Second)
	writers := []*worker{newWorker(1, e, rec, 1, time.Second), newWorker(2, e, rec, 1, time.Second)}
	defer func() {
		stop()
		for _, w := range append(writers, reader) {
			w.end()
		}
	}()
	group := reader.groups[0]
	require.NoError(e.t, await(ctx, "an edge", func(ctx context.Context) error { return writers[0].insist(ctx, group) }))

	b := newBreaker(e, rec)
	ways := b.ways(nemesis.Cut, e.members[:1])
	require.NoError(e.t, b.close(ways))
	require.NoError(e.t, await(ctx, "another leads, and writes", func(ctx context.Context) error {
		n := e.leader(ctx)
		if n <= 0 {
			return errors.New("nobody does")
		}
		return writers[n-1].insist(ctx, group)
	}))
	asking, cancel := context.WithTimeout(readers, tryFor)
	defer cancel()
	reader.read(asking, group[0], 0) // at its own node, fresh
	require.NoError(e.t, b.open(ways))
	return e.working(ctx)
}

// insist takes a group's edges, as they are at the worker's own node.
func (w *worker) insist(ctx context.Context, group []string) error {
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	w.look(ctx, group, 0)
	before := w.seen[group[0]].Revision
	w.take(ctx, group, 1)
	if w.seen[group[0]].Revision == before {
		return fmt.Errorf("node %d: %s was not changed", w.own.number, group[0])
	}
	return nil
}

// leadBy makes a member the leader.
func (e *ensemble) leadBy(ctx context.Context, number int) {
	m := e.members[number]
	status, err := m.api.Status(ctx)
	require.NoError(e.t, err)
	require.NoError(e.t, await(ctx, m.name+" leads", func(ctx context.Context) error {
		leader := e.leader(ctx)
		if leader == number {
			return nil
		}
		_, err := e.members[max(leader, 0)].api.TransferLeadership(ctx, api.TransferRequest{To: status.Node})
		return fmt.Errorf("not yet: %w", err)
	}))
}

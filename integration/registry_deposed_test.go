package integration

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/integration/nemesis"
	"github.com/grafnode/grafnode/internal/boottime"
)

// A leader that has been deposed and cannot know it, because it is cut off and was stopped, renews nothing that was ended since.
// Its own patience is longer than the others', so that it goes on believing in itself for a while when it wakes. The session's
// term is much longer than its pause: if that were over, its allowance were, too, and even a keeper that is wrong had nothing to give.
func TestDeposedLeaderRenewsNothing(t *testing.T) {
	needsTime(t)
	t.Parallel()
	torture{nodes: 3, tags: "faults", each: patientFirst, idle: true, script: deposeFirst}.run(t)
}

// patientFirst is flags by which the first node waits longer than the others for followers that do not answer.
func patientFirst(number int) []string {
	if number == 0 {
		return []string{"--raft-heartbeat", "8s"}
	}
	return []string{"--raft-heartbeat", "2s"}
}

func deposeFirst(ctx context.Context, e *ensemble, rec *history.Recorder) error {
	t, first := e.t, e.members[0]
	status, err := first.api.Status(ctx)
	require.NoError(t, err)
	e.leadBy(ctx, 0)
	// One session whose term outlasts it all, and one with the shortest term, so that the node renews often.
	holding, stop := context.WithCancel(ctx)
	defer stop()
	long, _ := hold(holding, t, first, rec, time.Minute)
	short, shortHeard := hold(holding, t, first, rec, holderTerm)
	for range 2 {
		select {
		case <-shortHeard:
		case <-short.done:
			require.Fail(t, "the session ended")
		}
	}

	b := newBreaker(e, rec)
	ways := b.ways(nemesis.Cut, []*member{first})
	require.NoError(t, b.close(ways))
	first.signal(syscall.SIGSTOP)
	defer first.signal(syscall.SIGCONT)
	var next *member
	require.NoError(t, await(ctx, "another leads", func(ctx context.Context) error {
		n := e.leader(ctx)
		if n <= 0 {
			return errors.New("nobody does")
		}
		next = e.members[n]
		_, err := next.write(ctx)
		return err
	}))
	ended := boottime.Now()
	_, err = next.api.Sessions(ctx, api.SessionRequest{End: &api.SessionEnd{Session: long.held.Session, Node: status.Node}})
	require.NoError(t, err)
	require.NoError(t, next.list(ctx, rec))
	pass(ctx, 500*time.Millisecond)
	first.signal(syscall.SIGCONT)
	pass(ctx, 2*time.Second) // it wakes, and renews if it is wrong
	require.NoError(t, b.open(ways))
	require.NoError(t, e.working(ctx))
	stop()
	<-long.done
	long.held.Ended = ended
	long.conclude()
	short.conclude()
	return nil
}

// attended is a holder that beats beside the test.
type attended struct {
	*holder
	done chan struct{} // closed when it has hung up
}

// conclude waits until the holder has hung up, and records what it was told.
func (a attended) conclude() {
	<-a.done
	a.rec.Holding(a.held)
}

// hold has a session held until ctx ends. The channel says when a beat was answered.
func hold(ctx context.Context, t *testing.T, m *member, rec *history.Recorder, term time.Duration) (attended, <-chan struct{}) {
	t.Helper()
	h, err := newHolder(m, rec, 0)
	require.NoError(t, err)
	h.term = term
	require.NoError(t, await(ctx, "a session", func(context.Context) error { return h.open(ctx) })) // its node may still be learning who leads
	heard, a := make(chan struct{}, 1), attended{h, make(chan struct{})}
	go func() {
		defer close(a.done)
		h.attend(ctx, func() {
			select {
			case heard <- struct{}{}:
			default:
			}
		})
		h.hangUp()
	}()
	return a, heard
}

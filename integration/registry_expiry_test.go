package integration

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Ten thousand leases end at once, and the one that is renewed must not (etcd#9360, #11886): its renewals, and the writes of a
// stage, go on beside all the ends.
func TestEtcd9360TenThousandLeasesEndAtOnce(t *testing.T) {
	needsTime(t)
	const many = 10_000
	e := small(t)
	leader, others := e.leads()
	stays := e.stage(t, others[0])
	kept, err := stays.Session(t.Context())
	require.NoError(t, err)
	node, incarnation := incarnationOf(t, leader)

	// Terms long enough that all are there before the first ends; nobody renews them.
	const term = 20 * time.Second
	began := boottime.Now()
	var opening sync.WaitGroup
	errs := make(chan error, 64)
	for w := range 64 {
		opening.Go(func() {
			for i := w; i < many; i += 64 {
				if err := openSession(t.Context(), leader, node, incarnation, i, term); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	opening.Wait()
	select {
	case err := <-errs:
		require.NoError(t, err)
	default:
	}
	all, err := leader.api.LiveSessions(t.Context(), api.Default)
	require.NoError(t, err)
	if now := boottime.Now(); now < began.Add(term) {
		require.Len(t, all, many+1, "none ends early")
	}
	var edge api.Edge
	require.NoError(t, await(t.Context(), "all have ended but one", func(ctx context.Context) error {
		edge = stays.takeOver(t, edge) // stages' writes go on
		left, err := leader.api.LiveSessions(ctx, api.Default)
		if err == nil && len(left) != 1 {
			err = fmt.Errorf("%d are left", len(left))
		}
		return err
	}))
	select {
	case <-kept.Lost:
		require.Fail(t, "the session that was renewed is lost")
	default:
	}
}

func incarnationOf(t *testing.T, m *member) (locator.NodeID, uint64) {
	t.Helper()
	s, err := m.api.Status(t.Context())
	require.NoError(t, err)
	nodes, err := m.api.Nodes(t.Context(), api.Default)
	require.NoError(t, err)
	for _, n := range nodes {
		if n.ID == s.Node {
			return n.ID, n.Incarnation
		}
	}
	require.Fail(t, "the node is not registered")
	return "", 0
}

// openSession opens a session as a node does, without a process behind it.
func openSession(ctx context.Context, m *member, node locator.NodeID, incarnation uint64, i int, term time.Duration) error {
	sum := sha256.Sum256([]byte("secret"))
	open := &api.SessionOpen{
		Session: lease.SessionID(fmt.Sprintf("many%d", i)), Node: node, Incarnation: incarnation, Stage: "many", TTL: term, TokenSum: sum[:],
	}
	return await(ctx, "a session", func(ctx context.Context) error {
		_, err := m.api.Sessions(ctx, api.SessionRequest{Open: open})
		return err
	})
}

package host_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/lease"
)

// What a stage has given up it does not have, however far the node had come with it: else the memory would be lent to it for as long as it lives.
func TestAnAttachThatIsGivenUp(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1)
	a, b := dial(t, n.socket, "a"), dial(t, n.socket, "b")
	giveUp := func(e func(context.Context) error, asked func() bool) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e(ctx) }()
		require.Eventually(t, asked, patience, time.Millisecond)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	}
	empty := func() bool { used, _ := n.Memory(); return used == 0 && len(n.Rings()) == 0 }

	late := c.grant("late", 1, 1, session(t, a).ID, session(t, b).ID)
	n.silence(true) // the first deadline does not come
	giveUp(func(ctx context.Context) error { _, err := a.AttachProducer(ctx, late); return err }, func() bool {
		leases, _ := n.Renewable()
		return len(leases) == 1
	})
	nowhere := late
	nowhere.Locator.Arena = "nowhere"
	_, err := a.AttachProducer(t.Context(), nowhere)
	require.Error(t, err) // and what was said before it has been heard
	n.silence(false)
	ring := attach(t, a, b, late) // it was never had, so it can be had
	ring.producer.Close()
	ring.consumer.Close()
	c.end(late, lease.Released)
	require.Eventually(t, empty, patience, time.Millisecond)

	alone := c.grant("alone", 1, 1, session(t, a).ID, session(t, b).ID)
	giveUp(func(ctx context.Context) error { _, err := b.AttachConsumer(ctx, alone); return err }, func() bool {
		return len(n.Rings()) == 1 && n.Rings()[0].Attached == 1 // and the other side does not come
	})
	c.end(alone, lease.Released)
	require.Eventually(t, empty, patience, time.Millisecond)
}

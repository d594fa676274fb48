//go:build rdma && linux && cgo

package ibverbs

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// cardVariable names the network interface behind the adapter, if it may be taken down.
const cardVariable = "GRAFNODE_RDMA_CARD"

// await waits until the adapter says something of a kind.
func await(t *testing.T, d verbs.Device, kind verbs.EventKind) verbs.Event {
	t.Helper()
	late := time.AfterFunc(patience, func() { panic("no such event came") })
	defer late.Stop()
	for {
		e, err := d.Event()
		require.NoError(t, err)
		t.Logf("%+v", e)
		if e.Kind == kind {
			return e
		}
	}
}

// A port says that it is down, and up again, and works then.
func TestPortEvents(t *testing.T) {
	card := os.Getenv(cardVariable)
	if card == "" {
		t.Skip("takes a network interface down: see integration/rdma")
	}
	d := openDevice(t)
	require.NoError(t, exec.Command("ip", "link", "set", card, "down").Run())
	down := await(t, d, verbs.PortDown)
	require.EqualValues(t, d.Port().Number, down.Number)
	require.NotEmpty(t, down.What)
	require.NoError(t, exec.Command("ip", "link", "set", card, "up").Run())
	require.EqualValues(t, d.Port().Number, await(t, d, verbs.PortUp).Number)
	a, b := connected(t)
	require.NoError(t, a.Post([]verbs.Write{a.write(1, 64, b)}))
	require.Equal(t, verbs.StatusOK, a.completions(1)[0].Status)
}

// Who waits for an adapter to say something is let go when it is closed.
func TestCloseEndsEvents(t *testing.T) {
	d, err := New().Open(openDevice(t).Port())
	require.NoError(t, err)
	done := make(chan error)
	go func() {
		for {
			if _, err := d.Event(); err != nil {
				done <- err
				return
			}
		}
	}()
	require.NoError(t, d.Close())
	require.Error(t, <-done)
	_, err = d.Event()
	require.Error(t, err)
	require.NoError(t, d.Close())
}

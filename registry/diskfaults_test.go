//go:build faults

package registry_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// hashicorp/raft#503: a leader whose disk hangs heartbeats on, and without the guard nobody could write any more. It gives up, its
// followers lose their connections to it, and elect another as soon as they can write.
func TestALeaderWhoseDiskHangsStopsLeading(t *testing.T) {
	control := filepath.Join(t.TempDir(), "fault")
	t.Setenv("GRAFNODE_FAULT_DISK", control)
	say := func(what string) { require.NoError(t, os.WriteFile(control, []byte(what), 0o600)) }
	c := newCluster(t, 3, func(cfg *registry.Config) {
		cfg.Heartbeat, cfg.Election = time.Second, time.Second
		if cfg.DiskStall = time.Minute; cfg.NodeID == "n0" {
			cfg.DiskStall = time.Second
		}
	})
	t.Cleanup(func() { say("") }) // before the members are closed, which wait for their disks
	c.apply(state.Nothing{})
	n0 := c.members[0]
	for c.leader() != n0 {
		_ = c.leader().Transfer(c.within(), n0.id)
	}
	c.apply(state.Nothing{})
	say("hang")
	proposed := make(chan error, 1)
	go func() {
		_, err := n0.Apply(c.within(), state.Nothing{})
		proposed <- err
	}()
	require.ErrorContains(t, receive(t, n0.fatal), "takes longer than 1s")
	// The followers' disks hang too: they have this disk, and more patience with it.
	say("")
	next := c.successor(n0)
	require.NoError(t, applyTo(c, next))
	require.ErrorIs(t, receive(t, proposed), api.ErrUnknown)
}

func TestALeaderWhoseDiskFailsIsReplaced(t *testing.T) {
	control := filepath.Join(t.TempDir(), "fault")
	t.Setenv("GRAFNODE_FAULT_DISK", control)
	c := newCluster(t, 1, steady)
	m := c.leader()
	require.NoError(t, os.WriteFile(control, []byte("fail"), 0o600))
	_, err := m.Apply(c.within(), state.Nothing{})
	require.ErrorIs(t, err, api.ErrUnknown)
	require.ErrorContains(t, receive(t, m.fatal), "raft disk failed")
	require.NoError(t, os.WriteFile(control, nil, 0o600))
	_, err = m.Apply(c.within(), state.Nothing{})
	require.Error(t, err, "what has failed once is not tried again")
}

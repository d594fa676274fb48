//go:build faults

package raftguard_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/registry/internal/raftguard"
)

func TestDiskFaults(t *testing.T) {
	control := filepath.Join(t.TempDir(), "fault")
	t.Setenv(raftguard.FaultVariable, control)
	say := func(what string) { require.NoError(t, os.WriteFile(control, []byte(what+"\n"), 0o600)) }
	dir := t.TempDir()

	s, fatal := open(t, dir, raftguard.KindAuto)
	require.NoError(t, s.StoreLog(entry(1)), "no file, no fault")
	say("delay 20ms")
	require.NoError(t, s.StoreLog(entry(2)))
	require.GreaterOrEqual(t, s.Writes().Slowest, 20*time.Millisecond)
	say("hang")
	hung := make(chan error)
	go func() { hung <- s.StoreLog(entry(3)) }()
	select {
	case err := <-hung:
		t.Fatal("written to a disk that hangs", err)
	case <-time.After(50 * time.Millisecond):
	}
	say("")
	require.NoError(t, <-hung)
	require.Empty(t, fatal)
	say("fail")
	require.ErrorIs(t, s.StoreLog(entry(4)), raftguard.ErrFault)
	require.ErrorIs(t, <-fatal, raftguard.ErrDisk)
	say("")
	require.ErrorIs(t, s.StoreLog(entry(4)), raftguard.ErrFault, "never tried again")
}

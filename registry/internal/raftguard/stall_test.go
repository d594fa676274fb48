package raftguard

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// hashicorp/raft#503: a disk that hangs must end the process, a slow one must not.
func TestHangingWritesEndTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fatal := make(chan error, 2)
		s := &watchdog{path: "log.db", stall: 10 * time.Second, fatal: func(err error) { fatal <- err }}
		slow := func() error { time.Sleep(9 * time.Second); return nil }
		require.NoError(t, s.write("slow", slow))
		require.NoError(t, s.write("slow", slow))
		require.Empty(t, fatal)
		require.Equal(t, 9*time.Second, s.Writes().Slowest)

		hangs := func() error { time.Sleep(11 * time.Second); return nil }
		require.ErrorIs(t, s.write("hanging", hangs), ErrDisk)
		err := <-fatal
		require.ErrorIs(t, err, ErrDisk)
		require.ErrorContains(t, err, "hanging takes longer than 10s")
		require.ErrorIs(t, s.write("later", func() error { panic("written after a failure") }), ErrDisk)
		require.Empty(t, fatal, "reported once")
	})
}

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
		var fatal error
		s := &Store{path: "log.db", stall: 10 * time.Second, fatal: func(err error) { fatal = err }}
		slow := func() error { time.Sleep(9 * time.Second); return nil }
		require.NoError(t, s.write("slow", slow))
		require.NoError(t, s.write("slow", slow))
		require.NoError(t, fatal)
		require.Equal(t, 9*time.Second, s.Writes().Slowest)

		hangs := func() error { time.Sleep(11 * time.Second); return nil }
		require.ErrorIs(t, s.write("hanging", hangs), ErrDisk)
		require.ErrorIs(t, fatal, ErrDisk)
		require.ErrorContains(t, fatal, "hanging takes longer than 10s")
		require.ErrorIs(t, s.write("later", func() error { panic("written after a failure") }), ErrDisk)
	})
}

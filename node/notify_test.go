package node

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNotify(t *testing.T) {
	dir, err := os.MkdirTemp("", "gn")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "notify")
	t.Setenv("NOTIFY_SOCKET", "")
	require.NoError(t, Notify("READY=1"), "nobody asked")

	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	require.NoError(t, Notify("READY=1"))
	b := make([]byte, 64)
	n, err := l.Read(b)
	require.NoError(t, err)
	require.Equal(t, "READY=1", string(b[:n]))

	t.Setenv("NOTIFY_SOCKET", path+".none")
	require.Error(t, Notify("READY=1"))
}

func TestWatchdogPeriod(t *testing.T) {
	for _, c := range []struct {
		micros, pid string
		want        time.Duration
	}{
		{"", "", 0}, {"60000000", "", time.Minute}, {"60000000", strconv.Itoa(os.Getpid()), time.Minute}, {"60000000", "1", 0},
		{"0", "", 0}, {"-1", "", 0}, {"a minute", "", 0},
	} {
		t.Setenv("WATCHDOG_USEC", c.micros)
		t.Setenv("WATCHDOG_PID", c.pid)
		require.Equal(t, c.want, watchdogPeriod(), "%+v", c)
	}
}

// As long as the node answers systemd hears of it in time, and not when it is stuck.
func TestWhoIsStuckSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		stuck, told := make(chan struct{}, 1), 0
		stuck <- struct{}{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			pat(ctx, time.Minute, func() { stuck <- struct{}{}; <-stuck }, func() { told++ })
		}()
		synctest.Wait()
		require.Zero(t, told)
		<-stuck
		time.Sleep(time.Hour)
		synctest.Wait()
		require.GreaterOrEqual(t, told, 60)
		stuck <- struct{}{}
		time.Sleep(time.Hour)
		synctest.Wait()
		require.LessOrEqual(t, told, 122)
		<-stuck
		cancel()
		<-done
	})
}

package proc_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/demo/internal/event"
	"github.com/grafnode/grafnode/demo/internal/proc"
)

// TestMain lets the test binary be the child: it does what the environment says.
func TestMain(m *testing.M) {
	switch os.Getenv("GRAFNODE_TEST_CHILD") {
	case "tell":
		w := event.NewWriter(os.NewFile(proc.EventsFD, "events"), "child", func() {})
		for line := range uint64(1000) {
			w.Write(event.Event{Kind: event.Committed, Line: line})
		}
		fmt.Println("told")
		os.Exit(3)
	case "hang":
		w := event.NewWriter(os.NewFile(proc.EventsFD, "events"), "child", func() {})
		w.Write(event.Event{Kind: event.Started})
		select {}
	case "finish":
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func child(t *testing.T, does string) proc.Spec {
	return proc.Spec{Name: "child", Path: os.Args[0], Env: []string{"GRAFNODE_TEST_CHILD=" + does},
		Log: filepath.Join(t.TempDir(), "log"), Events: true}
}

func TestEventsArriveBeforeTheEnd(t *testing.T) {
	events := make(chan event.Event, 1000)
	l := proc.NewLauncher(func(e event.Event) { events <- e })
	defer l.Close()
	spec := child(t, "tell")
	p, err := l.Start(spec)
	require.NoError(t, err)
	<-p.Done()
	require.ErrorContains(t, p.Err(), "exit status 3")
	require.Len(t, events, 1000)
	text, err := os.ReadFile(spec.Log)
	require.NoError(t, err)
	require.Equal(t, "told\n", string(text))
}

func TestKillAndFinish(t *testing.T) {
	events := make(chan event.Event, 1)
	l := proc.NewLauncher(func(e event.Event) { events <- e })
	defer l.Close()
	p, err := l.Start(child(t, "hang"))
	require.NoError(t, err)
	require.Equal(t, event.Started, (<-events).Kind)
	p.Kill()
	<-p.Done()
	require.ErrorContains(t, p.Err(), "killed")
	p.Kill()

	p, err = l.Start(child(t, "finish"))
	require.NoError(t, err)
	<-p.Done()
	require.NoError(t, p.Err())
}

func TestCloseLeavesNoProcess(t *testing.T) {
	events := make(chan event.Event, 2)
	l := proc.NewLauncher(func(e event.Event) { events <- e })
	var pids []int
	for range 2 {
		p, err := l.Start(child(t, "hang"))
		require.NoError(t, err)
		pids = append(pids, p.PID())
	}
	<-events
	l.Close()
	l.Close()
	for _, pid := range pids {
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	}
	_, err := l.Start(child(t, "finish"))
	require.ErrorIs(t, err, proc.ErrClosed)
}

func TestStartFails(t *testing.T) {
	l := proc.NewLauncher(func(event.Event) {})
	defer l.Close()
	spec := child(t, "finish")
	spec.Path = filepath.Join(t.TempDir(), "none")
	_, err := l.Start(spec)
	require.ErrorContains(t, err, "start child: ")
	spec = child(t, "finish")
	spec.Log = t.TempDir()
	_, err = l.Start(spec)
	require.Error(t, err)
}

// The kernel would kill a child as soon as the thread that started it ends.
func TestChildrenSurviveTheirStarter(t *testing.T) {
	events := make(chan event.Event, 1)
	l := proc.NewLauncher(func(e event.Event) { events <- e })
	defer l.Close()
	started := make(chan *proc.Process)
	go func() {
		// The thread of a locked goroutine that returns is ended.
		runtime.LockOSThread()
		p, err := l.Start(child(t, "hang"))
		require.NoError(t, err)
		started <- p
	}()
	p := <-started
	<-events
	select {
	case <-p.Done():
		t.Fatal("it died with its starter's thread")
	case <-time.After(50 * time.Millisecond):
	}
}

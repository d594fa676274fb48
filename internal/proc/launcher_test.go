package proc_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/internal/proc"
)

// TestMain lets the test binary be the child: it does what the environment says.
func TestMain(m *testing.M) {
	switch os.Getenv("GRAFNODE_TEST_CHILD") {
	case "tell":
		w := os.NewFile(proc.PipeFD, "pipe")
		for line := range 1000 {
			fmt.Fprintln(w, line)
		}
		fmt.Println("told")
		os.Exit(3)
	case "hang":
		fmt.Fprintln(os.NewFile(proc.PipeFD, "pipe"), "here")
		time.Sleep(time.Hour) // not select: a program of Go alone would find itself deadlocked
	case "finish":
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func child(t *testing.T, does string, lines chan<- string) proc.Spec {
	return proc.Spec{Name: "child", Path: os.Args[0], Env: []string{"GRAFNODE_TEST_CHILD=" + does},
		Log: filepath.Join(t.TempDir(), "log"), Pipe: func(r io.Reader) error {
			s := bufio.NewScanner(r)
			for s.Scan() {
				lines <- s.Text()
			}
			return s.Err()
		}}
}

func TestEventsArriveBeforeTheEnd(t *testing.T) {
	lines := make(chan string, 1000)
	l := proc.NewLauncher()
	defer l.Close()
	spec := child(t, "tell", lines)
	p, err := l.Start(spec)
	require.NoError(t, err)
	<-p.Done()
	require.ErrorContains(t, p.Err(), "exit status 3")
	require.Len(t, lines, 1000)
	text, err := os.ReadFile(spec.Log)
	require.NoError(t, err)
	require.Equal(t, "told\n", string(text))
}

func TestKillAndFinish(t *testing.T) {
	lines := make(chan string, 1)
	l := proc.NewLauncher()
	defer l.Close()
	p, err := l.Start(child(t, "hang", lines))
	require.NoError(t, err)
	require.Equal(t, "here", <-lines)
	before := p.CPU()
	p.Kill()
	<-p.Done()
	require.GreaterOrEqual(t, p.CPU()+10*time.Millisecond, before) // it is counted in steps of that
	require.ErrorContains(t, p.Err(), "killed")
	p.Kill()

	p, err = l.Start(child(t, "finish", nil))
	require.NoError(t, err)
	<-p.Done()
	require.NoError(t, p.Err())
}

func TestCloseLeavesNoProcess(t *testing.T) {
	lines := make(chan string, 2)
	l := proc.NewLauncher()
	var pids []int
	for range 2 {
		p, err := l.Start(child(t, "hang", lines))
		require.NoError(t, err)
		pids = append(pids, p.PID())
	}
	<-lines
	l.Close()
	l.Close()
	for _, pid := range pids {
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	}
	_, err := l.Start(child(t, "finish", nil))
	require.ErrorIs(t, err, proc.ErrClosed)
}

func TestStartFails(t *testing.T) {
	l := proc.NewLauncher()
	defer l.Close()
	spec := child(t, "finish", nil)
	spec.Path = filepath.Join(t.TempDir(), "none")
	_, err := l.Start(spec)
	require.ErrorContains(t, err, "start child: ")
	spec = child(t, "finish", nil)
	spec.Log = t.TempDir()
	_, err = l.Start(spec)
	require.Error(t, err)
}

// The kernel would kill a child as soon as the thread that started it ends.
func TestChildrenSurviveTheirStarter(t *testing.T) {
	lines := make(chan string, 1)
	l := proc.NewLauncher()
	defer l.Close()
	started := make(chan *proc.Process)
	go func() {
		// The thread of a locked goroutine that returns is ended.
		runtime.LockOSThread()
		p, err := l.Start(child(t, "hang", lines))
		require.NoError(t, err)
		started <- p
	}()
	p := <-started
	<-lines
	select {
	case <-p.Done():
		t.Fatal("it died with its starter's thread")
	case <-time.After(50 * time.Millisecond):
	}
}

func TestNonsenseIsKilled(t *testing.T) {
	l := proc.NewLauncher()
	defer l.Close()
	spec := child(t, "hang", nil)
	spec.Pipe = func(io.Reader) error { return errors.New("not understood") }
	p, err := l.Start(spec)
	require.NoError(t, err)
	<-p.Done()
	require.ErrorContains(t, p.Err(), "killed")
	text, err := os.ReadFile(spec.Log)
	require.NoError(t, err)
	require.Contains(t, string(text), "pipe: not understood")
}

package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/grafnode/grafnode/demo/internal/event"
	"github.com/grafnode/grafnode/internal/lab"
	"github.com/grafnode/grafnode/internal/proc"
)

// How long a process stays dead. A node's is long enough for the others to move on before it is back.
const (
	nodeRestartAfter  = 1500 * time.Millisecond
	stageRestartAfter = 100 * time.Millisecond
)

// bench runs the demo's processes and starts them again when they die, as systemd would.
type bench struct {
	dir      string // everything temporary
	exe      string // this program
	launcher *proc.Launcher
	emit     func(event.Event)
	stop     context.CancelFunc
	ctx      context.Context
	keepers  sync.WaitGroup

	mu      sync.Mutex
	running map[string]*proc.Process
}

// newBench returns a bench that gives all events to emit, from many goroutines. Close ends it.
func newBench(dir string, emit func(event.Event)) (*bench, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, to start it again: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	return &bench{dir: dir, exe: exe, launcher: proc.NewLauncher(), emit: emit, stop: stop, ctx: ctx,
		running: map[string]*proc.Process{}}, nil
}

// keep runs a process, and again however it ended, until Close. A stage that has finished may be needed once more: if the one
// before it is killed then, the end of the input has to pass through both again.
func (l *bench) keep(s proc.Spec, restartAfter time.Duration) {
	s.Path, s.Log = l.exe, l.log(s.Name)
	l.keepers.Go(func() {
		for l.ctx.Err() == nil {
			l.runOnce(s)
			lab.Pause(l.ctx, restartAfter)
		}
	})
}

// runOnce runs a process to its end.
func (l *bench) runOnce(s proc.Spec) {
	p, err := l.launcher.Start(s)
	if err == nil {
		l.mu.Lock()
		l.running[s.Name] = p
		l.mu.Unlock()
		<-p.Done()
		err = p.Err()
	}
	gone := event.Event{At: time.Now(), Kind: event.Exited, Process: s.Name}
	if err != nil {
		gone.Cause = err.Error()
	}
	l.emit(gone)
}

// Kill ends a process with SIGKILL.
func (l *bench) Kill(process string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.running[process]; p != nil {
		p.Kill()
	}
}

// Close kills everything and waits until it has gone. Idempotent. Nobody is asked to stop: nothing of theirs outlives them but
// what lies in the temporary directory.
func (l *bench) Close() {
	l.stop()
	l.launcher.Close()
	l.keepers.Wait()
}

func (l *bench) log(process string) string { return filepath.Join(l.dir, process+".log") }

// tail returns the end of a process's log, in one line.
func (l *bench) tail(process string) string { return lab.Tail(l.log(process)) }

// saveLogs copies the logs to dir and returns where they are.
func (l *bench) saveLogs(dir string) (string, error) {
	to := filepath.Join(dir, "logs")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return "", err
	}
	logs, err := filepath.Glob(filepath.Join(l.dir, "*.log"))
	if err != nil {
		return "", err
	}
	for _, from := range logs {
		b, err := os.ReadFile(from)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(from)), b, 0o644); err != nil {
			return "", err
		}
	}
	return to, nil
}

// startNodes runs all nodes.
func (l *bench) startNodes(nodes []lab.Node) {
	for _, n := range nodes {
		l.keep(proc.Spec{Name: n.Name, Args: lab.Agent(n, nodes, "--raft-heartbeat", raftHeartbeat.String())}, nodeRestartAfter)
	}
}

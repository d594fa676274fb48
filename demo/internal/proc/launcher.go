package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"

	"github.com/grafnode/grafnode/demo/internal/event"
)

// EventsFD is the descriptor on which a child finds its pipe for events.
const EventsFD = 3

// Spec says what to run.
type Spec struct {
	Name   string // of the process, in events
	Path   string // of the executable
	Args   []string
	Env    []string // beside the parent's
	Log    string   // file that standard output and error are appended to
	Events bool     // give it a pipe for events
}

// Launcher starts processes and passes their events on. Close kills what is left.
type Launcher struct {
	each func(event.Event)
	work chan func()
	all  sync.WaitGroup // goroutines of processes

	mu      sync.Mutex
	running map[*Process]struct{}
	closed  bool
}

// NewLauncher returns a launcher that gives every event of every process to each, from many goroutines.
func NewLauncher(each func(event.Event)) *Launcher {
	l := &Launcher{each: each, work: make(chan func()), running: map[*Process]struct{}{}}
	l.all.Go(l.serve)
	return l
}

// serve starts all processes on one thread that lives as long as the launcher: the kernel's "kill it when its parent dies"
// means the thread that started it, not the process.
func (l *Launcher) serve() {
	runtime.LockOSThread()
	for f := range l.work {
		f()
	}
}

// ErrClosed says that the launcher has been closed.
var ErrClosed = errors.New("launcher is closed")

// Start starts a process.
func (l *Launcher) Start(s Spec) (*Process, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	var p *Process
	var err error
	done := make(chan struct{})
	l.work <- func() {
		p, err = start(s)
		close(done)
	}
	<-done
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	l.running[p] = struct{}{}
	l.all.Go(func() { l.attend(p) })
	return p, nil
}

// attend passes p's events on until it has gone and everything that it said has been read.
func (l *Launcher) attend(p *Process) {
	if p.events != nil {
		if err := event.Read(p.events, l.each); err != nil {
			// A child of ours that talks nonsense is a bug of ours; it ends as its pipe does, and the log says why.
			fmt.Fprintln(p.log, "demo:", err)
			p.Kill()
		}
		_ = p.events.Close()
	}
	p.err = p.cmd.Wait()
	_ = p.log.Close()
	l.mu.Lock()
	delete(l.running, p)
	l.mu.Unlock()
	close(p.done)
}

// Close kills all processes that are left and waits for them. Idempotent.
func (l *Launcher) Close() {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.work)
	}
	for p := range l.running {
		p.Kill()
	}
	l.mu.Unlock()
	l.all.Wait()
}

// Process is a process that was started.
type Process struct {
	Name   string
	cmd    *exec.Cmd
	log    *os.File
	events io.ReadCloser
	done   chan struct{}
	err    error // how it ended; set before done is closed
}

func start(s Spec) (*Process, error) {
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p := &Process{Name: s.Name, cmd: exec.Command(s.Path, s.Args...), log: log, done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), s.Env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = attributes()
	var theirs *os.File
	if s.Events {
		var ours *os.File
		if ours, theirs, err = os.Pipe(); err != nil {
			_ = log.Close()
			return nil, err
		}
		p.events, p.cmd.ExtraFiles = ours, []*os.File{theirs}
	}
	err = p.cmd.Start()
	if theirs != nil {
		_ = theirs.Close()
	}
	if err != nil {
		_ = log.Close()
		if p.events != nil {
			_ = p.events.Close()
		}
		return nil, err
	}
	return p, nil
}

// PID returns the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends the process and its group with SIGKILL. It does not wait. A process that has gone already is no error.
func (p *Process) Kill() {
	select {
	case <-p.done: // its number may be somebody else's by now
	default:
		kill(p.cmd.Process)
	}
}

// Done is closed when the process has gone and all its events have been passed on.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the process ended: nil for exit status 0. It may be called once Done is closed.
func (p *Process) Err() error { return p.err }

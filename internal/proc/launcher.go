package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// PipeFD is the descriptor on which a child finds its pipe, FilesFD the first of its files.
const (
	PipeFD  = 3
	FilesFD = 4
)

// Spec says what to run.
type Spec struct {
	Name string // of the process, in events
	Path string // of the executable
	Args []string
	Env  []string // beside the parent's
	Log  string   // file that standard output and error are appended to
	// Pipe, unless nil, gives the child a pipe at PipeFD and reads what it writes there, in a goroutine of its own, until the
	// end. If it returns an error the child is killed, and its log says why.
	Pipe func(io.Reader) error
	// Files are given to a child with a pipe at FilesFD and on. They stay the caller's.
	Files []*os.File
	// CPUs, unless empty, are the only processors that the child may use. Linux only; elsewhere it may use all.
	CPUs []int
	// Network gives the child a network of its own, with nothing in it (Linux, as root); other processes may enter it.
	Network bool
}

// Launcher starts processes. Close kills what is left.
type Launcher struct {
	work chan func()
	all  sync.WaitGroup // goroutines of processes

	mu      sync.Mutex
	running map[*Process]struct{}
	closed  bool
}

// NewLauncher returns a launcher.
func NewLauncher() *Launcher {
	l := &Launcher{work: make(chan func()), running: map[*Process]struct{}{}}
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
	l.all.Go(func() { l.attend(p, s.Pipe) })
	return p, nil
}

// attend reads what p says until it has gone and everything has been read.
func (l *Launcher) attend(p *Process, read func(io.Reader) error) {
	if p.pipe != nil {
		if err := read(p.pipe); err != nil {
			fmt.Fprintln(p.log, "pipe:", err)
			p.Kill()
		}
		_ = p.pipe.Close()
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
	Name string
	cmd  *exec.Cmd
	log  *os.File
	pipe io.ReadCloser
	done chan struct{}
	err  error // how it ended; set before done is closed
}

func start(s Spec) (*Process, error) {
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p := &Process{Name: s.Name, cmd: exec.Command(s.Path, s.Args...), log: log, done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), s.Env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if p.cmd.SysProcAttr, err = attributes(s.Network); err != nil {
		_ = log.Close()
		return nil, err
	}
	var theirs *os.File
	if s.Pipe != nil {
		var ours *os.File
		if ours, theirs, err = os.Pipe(); err != nil {
			_ = log.Close()
			return nil, err
		}
		p.pipe, p.cmd.ExtraFiles = ours, append([]*os.File{theirs}, s.Files...)
	}
	err = on(s.CPUs, p.cmd.Start)
	if theirs != nil {
		_ = theirs.Close()
	}
	if err != nil {
		_ = log.Close()
		if p.pipe != nil {
			_ = p.pipe.Close()
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

// Stop asks the process to end, with SIGTERM; where there is no such thing it kills it. It does not wait.
func (p *Process) Stop() {
	select {
	case <-p.done:
	default:
		stop(p.cmd.Process)
	}
}

// Done is closed when the process has gone and all that it wrote to its pipe has been read.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the process ended: nil for exit status 0. It may be called once Done is closed.
func (p *Process) Err() error { return p.err }

// CPU returns how much processor time the process has used so far; zero where the system does not say.
func (p *Process) CPU() time.Duration {
	select {
	case <-p.done:
		return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	default:
		return cpu(p.PID())
	}
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/grafnode/grafnode/internal/proc"
)

// ErrUnavailable says that there is no engine, and what is missing for one of our own.
var ErrUnavailable = errors.New("no Docker engine is to be had here")

// Engine is a Docker engine that answers. Methods may be called at any time, from anywhere.
type Engine struct {
	own  *proc.Process // in whose network it runs; nil: somebody else's engine
	host string        // for $DOCKER_HOST, of our own
}

// Find returns an engine. One of our own is started by l, keeps its data in dir, whose path must be short enough for a socket, and answers when Find returns.
func Find(ctx context.Context, l *proc.Launcher, dir string) (*Engine, error) {
	if _, err := exec.LookPath("docker"); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	theirs := &Engine{}
	if theirs.answers(ctx) == nil {
		return theirs, nil
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: none answers, and one of our own needs root", ErrUnavailable)
	}
	for _, tool := range []string{"dockerd", "unshare", "nsenter", "mount", "ip", "iptables"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%w: none answers, and for one of our own: %w", ErrUnavailable, err)
		}
	}
	return start(ctx, l, dir)
}

// apart starts dockerd where nothing of this machine is in its way: what it keeps in /run is nobody else's, and with the first of its processes
// the kernel ends all, containers included.
const apart = `mount -t tmpfs engine /run; ip link set lo up
exec dockerd --host "unix://$1/docker.sock" --data-root "$1/data"`

func start(ctx context.Context, l *proc.Launcher, dir string) (*Engine, error) {
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return nil, err
	}
	log := filepath.Join(dir, "dockerd.log")
	p, err := l.Start(proc.Spec{Name: "dockerd", Path: unshare, Log: log, Args: []string{
		"--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-euc", apart, "sh", dir,
	}})
	if err != nil {
		return nil, err
	}
	e := &Engine{own: p, host: "unix://" + filepath.Join(dir, "docker.sock")}
	for e.answers(ctx) != nil {
		select {
		case <-p.Done():
			said, _ := os.ReadFile(log) // it says why, if it can be read
			lines := strings.Split(strings.TrimSpace(string(said)), "\n")
			return nil, fmt.Errorf("%w: dockerd cannot run: %s", ErrUnavailable, lines[len(lines)-1])
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return e, nil
}

func (e *Engine) answers(ctx context.Context) error {
	return e.Command(ctx, "docker", "version").Run()
}

// Own says whether the engine is of our own, and so has nothing in it and reaches nothing.
func (e *Engine) Own() bool { return e.own != nil }

// Command returns a command that finds the engine as its users do, ports that it publishes included. It is not started.
func (e *Engine) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	if e.own == nil {
		return exec.CommandContext(ctx, name, args...)
	}
	inside := []string{fmt.Sprintf("--net=/proc/%d/ns/net", e.own.PID()), name}
	c := exec.CommandContext(ctx, "nsenter", append(inside, args...)...)
	c.Env = append(os.Environ(), "DOCKER_HOST="+e.host)
	return c
}

// Close ends an engine of our own and the containers that it has left, and waits for that. Somebody else's stays.
func (e *Engine) Close() error {
	if e.own == nil {
		return nil
	}
	// Who made the namespaces ends when the engine in them has.
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", e.own.PID()))
	if err == nil {
		for pid := range strings.FieldsSeq(string(children)) {
			if err := stop(pid); err != nil {
				return err
			}
		}
	}
	<-e.own.Done()
	return nil
}

func stop(pid string) error {
	n, err := strconv.Atoi(pid)
	if err != nil {
		return err
	}
	p, err := os.FindProcess(n)
	if err != nil {
		return err
	}
	if err := p.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

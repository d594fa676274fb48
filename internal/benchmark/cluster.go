package benchmark

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/grafnode/grafnode/internal/proc"
)

// nodes is how many each side has.
const nodes = 3

// cluster is one side: its servers, and how to put load on them.
type cluster struct {
	side     string // "grafnode", "etcd"
	launcher *proc.Launcher
	members  []*member
	client   proc.Spec // of a process of clients, but for the task's arguments
}

// member is one server.
type member struct {
	spec   proc.Spec
	target string // what clients are told to reach it
	status func(context.Context) (status, error)
	now    *proc.Process
}

// status is what a server says of itself.
type status struct {
	ready bool // serves, and knows a leader
	leads bool
}

// start starts all servers and waits until they can be used.
func (c *cluster) start(ctx context.Context) error {
	for _, m := range c.members {
		if err := c.run(m); err != nil {
			return err
		}
	}
	_, err := c.settled(ctx)
	return err
}

func (c *cluster) run(m *member) (err error) {
	m.now, err = c.launcher.Start(m.spec)
	return err
}

const (
	settleMax = time.Minute            // for all servers to be ready
	askEvery  = 100 * time.Millisecond // while waiting for that
)

// settled waits until every server is ready and one leads, and returns that one.
func (c *cluster) settled(ctx context.Context) (leader *member, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, settleMax, fmt.Errorf("%s is not ready after %v", c.side, settleMax))
	defer cancel()
	for {
		if leader, err = c.look(ctx); err == nil {
			return leader, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(askEvery):
		}
	}
}

var errUnsettled = errors.New("not every server is ready, or there is not one leader")

// look asks every server once.
func (c *cluster) look(ctx context.Context) (leader *member, err error) {
	said := make([]status, len(c.members))
	errs := make([]error, len(c.members))
	var all sync.WaitGroup
	for i, m := range c.members {
		select {
		case <-m.now.Done():
			return nil, fmt.Errorf("%s ended: %w: %s", m.spec.Name, m.now.Err(), tail(m.spec.Log))
		default:
		}
		all.Go(func() { said[i], errs[i] = m.status(ctx) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	leaders := 0
	for i, s := range said {
		if !s.ready {
			return nil, errUnsettled
		}
		if s.leads {
			leader = c.members[i]
			leaders++
		}
	}
	if leaders != 1 {
		return nil, errUnsettled
	}
	return leader, nil
}

// place returns the members in the order in which clients are given to them: followers before the leader, or after it.
func (c *cluster) place(leader *member, leaderFirst bool) []string {
	var followers []string
	for _, m := range c.members {
		if m != leader {
			followers = append(followers, m.target)
		}
	}
	if leaderFirst {
		return append([]string{leader.target}, followers...)
	}
	return append(followers, leader.target)
}

// load starts a process of clients. What it has to say goes to read.
func (c *cluster) load(read func(io.Reader) error, args ...string) (*proc.Process, error) {
	s := c.client
	s.Args = append(append([]string(nil), s.Args...), args...)
	s.Env = append(s.Env, pipeEnv+"=1")
	s.Pipe = read
	return c.launcher.Start(s)
}

// cpu is the processor time that the servers have used.
func (c *cluster) cpu() (all time.Duration) {
	for _, m := range c.members {
		all += m.now.CPU()
	}
	return all
}

// pipeEnv tells a process of clients to write its results to proc.PipeFD.
const pipeEnv = "GRAFNODE_BENCH_PIPE"

// LoadOutput returns where a process of clients writes its results: the pipe that its parent gave it, or otherwise.
func LoadOutput(otherwise io.Writer) io.Writer {
	if os.Getenv(pipeEnv) == "" {
		return otherwise
	}
	return os.NewFile(proc.PipeFD, "pipe")
}

// tailBytes is how much of a log is shown when a process has failed.
const tailBytes = 400

func tail(log string) string {
	b, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(string(b[max(0, len(b)-tailBytes):])), " ")
}

// Ports are taken from below the range that systems hand out for outgoing connections, so that nobody gets a killed server's
// port before it is back.
const (
	portMin   = 20_000
	portMax   = 32_000
	portTries = 100
)

// freePair finds a port of 127.0.0.1 that is free together with the next, for TCP and UDP.
func freePair() (int, error) {
	var last error
	for range portTries {
		port := portMin + 2*rand.N((portMax-portMin)/2)
		if last = errors.Join(free(port), free(port+1)); last == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free ports: %w", last)
}

func free(port int) error {
	address := local(port)
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer l.Close()
	p, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	return p.Close()
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func logFile(dir, name string) string { return filepath.Join(dir, name+".log") }

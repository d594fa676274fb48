package failover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/internal/benchmark/failover/ledger"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/internal/hosts"
	"github.com/grafnode/grafnode/internal/lab"
	"github.com/grafnode/grafnode/internal/proc"
)

// nodeCount is how many nodes there are, each on a host of its own if there are hosts.
const nodeCount = 3

// system is everything that runs, and what it tells. It decides nothing.
type system struct {
	exe      string
	dir      string
	agent    []string // further arguments
	launcher *proc.Launcher
	net      *hosts.Network // nil: all is on one host
	alone    string         // why it is nil
	nodes    []lab.Node
	observer *lab.Observer
	sink     *ledger.Server
	news     chan news
	ctx      context.Context // ends when nobody reads news any more
	stop     context.CancelFunc
	all      sync.WaitGroup

	procs map[string]*proc.Process // of which the director has not heard that they ended; its own
}

// edgeNews is a record, and the name of the node where its ring lies.
type edgeNews struct {
	api.Edge
	node string
}

// edgePrefix begins the names of the edges of all rounds.
const edgePrefix = "failover."

// open makes the hosts, if that can be, starts the nodes and begins to follow them. Close ends all of it, also after an error.
func (s *system) open(ctx context.Context) (err error) {
	s.launcher, s.news, s.procs = proc.NewLauncher(), make(chan news, 1<<12), map[string]*proc.Process{}
	s.ctx, s.stop = context.WithCancel(ctx)
	switch s.net, err = hosts.Join(s.launcher, nodeCount); {
	case err == nil:
		addresses := make([]string, nodeCount)
		for i := range addresses {
			addresses[i] = s.net.Address(i) + ":17000"
		}
		s.nodes = lab.PlanAt(addresses, s.dir)
		if _, err = lab.Secure(s.nodes, s.dir); err != nil {
			return err
		}
	case errors.Is(err, hosts.ErrUnavailable):
		s.net, s.alone = nil, err.Error()
		if s.nodes, err = lab.Plan(nodeCount, s.dir); err != nil {
			return err
		}
	default:
		return err
	}
	if s.sink, err = ledger.Serve(s.ledgerPath()); err != nil {
		return err
	}
	s.observer, err = lab.NewObserver(s.nodes, edgePrefix, lab.News{
		Ready:   func(node string) { s.emit(news{What: ready, Name: node}) },
		Leading: func(node string) { s.emit(news{What: leading, Name: node}) },
		Changed: func(e api.Edge, node string) { s.emit(news{What: changed, edge: edgeNews{e, node}}) },
	})
	if err != nil {
		return err
	}
	for i := range s.nodes {
		if err := s.startNode(i); err != nil {
			return err
		}
	}
	s.all.Go(func() { s.observer.Run(s.ctx) })
	return nil
}

// close kills everything and waits for it.
func (s *system) close() (err error) {
	s.stop()
	s.launcher.Close()
	if s.sink != nil {
		err = s.sink.Close()
	}
	s.all.Wait()
	return err
}

func (s *system) emit(n news) {
	if n.At == 0 {
		n.At = boottime.Now()
	}
	select {
	case s.news <- n:
	case <-s.ctx.Done():
	}
}

func (s *system) ledgerPath() string { return filepath.Join(s.dir, "ledger.sock") }

func (s *system) log(name string) string { return filepath.Join(s.dir, name+".log") }

// start starts a process on the host of a node.
func (s *system) start(node int, p proc.Spec) error {
	if p.Log = s.log(p.Name); s.net != nil {
		p.Path, p.Args = s.net.Enter(node, p.Path, p.Args)
	}
	running, err := s.launcher.Start(p)
	if err != nil {
		return err
	}
	s.procs[p.Name] = running
	s.all.Go(func() {
		<-running.Done()
		gone := news{What: exited, Name: p.Name}
		if err := running.Err(); err != nil {
			gone.Cause = err.Error()
		}
		s.emit(gone)
	})
	return nil
}

func (s *system) startNode(i int) error {
	n := s.nodes[i]
	return s.start(i, proc.Spec{Name: n.Name, Path: s.exe, Args: lab.Agent(n, s.nodes, s.agent...)})
}

// startStage starts a stage beside a node.
func (s *system) startStage(node int, t task) error {
	t.Ledger = s.ledgerPath()
	return s.start(node, proc.Spec{
		Name: t.Name, Path: s.exe, Args: t.args(), Env: []string{client.SocketEnv + "=" + s.nodes[node].Socket},
		Pipe: func(r io.Reader) error {
			return read(r, func(n news) {
				n.Name = t.Name
				s.emit(n)
			})
		},
	})
}

// index returns the number of a node.
func (s *system) index(node string) int {
	for i, n := range s.nodes {
		if n.Name == node {
			return i
		}
	}
	panic(fmt.Sprintf("failover: no node %q", node)) // names come from here
}

package failover

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/grafnode/grafnode/internal/benchmark/failover/ledger"
	"github.com/grafnode/grafnode/internal/benchmark/failover/plan"
	"github.com/grafnode/grafnode/internal/lab"
	"github.com/grafnode/grafnode/internal/proc"
)

// JetStream is the name of the one peer.
const JetStream = "jetstream"

// Told by the peer's publisher.
const cluster happening = "cluster" // Leader leads the stream, and Items replicas beside it are up to date

// peer is NATS JetStream: three servers, a stream of three replicas on disk, a publisher with acknowledgements and a durable consumer. Its
// faults are the death of the server that leads the stream.
type peer struct {
	d            *director
	server, load string // programs
	version      string
	rate         float64
	nodes        []lab.Node // the servers; clients use the port, servers among themselves the next

	leader   string
	current  uint64
	finished bool // the publisher
	pushed   uint64
	samples  []plan.Sample
	account  ledger.Account
	total    uint64
	late     error // why it was given up, if it was
}

// newPeer finds the peer's programs in a directory.
func newPeer(ctx context.Context, dir string, rate float64) (*peer, error) {
	p := &peer{server: filepath.Join(dir, "nats-server"), load: filepath.Join(dir, "jetstream-load"), rate: rate}
	for _, path := range []string{p.server, p.load} {
		if info, err := os.Stat(path); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return nil, fmt.Errorf("%w: %s is no program; `make bench-peers` builds the peers", ErrUsage, path)
		}
	}
	said, err := exec.CommandContext(ctx, p.server, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("%s --version: %w", p.server, err)
	}
	p.version = strings.TrimSpace(string(said))
	return p, nil
}

// open starts the servers, each beside one of our nodes.
func (p *peer) open(d *director) (err error) {
	p.d = d
	d.peer = p
	if s := d.s; s.net == nil {
		p.nodes, err = lab.Plan(nodeCount, s.dir)
	} else {
		addresses := make([]string, nodeCount)
		for i := range addresses {
			addresses[i] = s.net.Address(i) + ":18000"
		}
		p.nodes = lab.PlanAt(addresses, s.dir)
	}
	for i := range p.nodes {
		p.nodes[i].Name = fmt.Sprintf("nats-%d", i+1)
		if err == nil {
			err = p.startServer(i)
		}
	}
	return err
}

func (p *peer) startServer(i int) error {
	routes := make([]string, len(p.nodes))
	for j, n := range p.nodes {
		routes[j] = "nats://" + among(n)
	}
	host, port, _ := net.SplitHostPort(p.nodes[i].Address) // it was made here
	name := p.nodes[i].Name
	return p.d.s.start(i, proc.Spec{Name: name, Path: p.server, Args: []string{
		"--name", name, "--addr", host, "--port", port, "--cluster_name", "bench", "--cluster", "nats://" + among(p.nodes[i]),
		"--routes", strings.Join(routes, ","), "--jetstream", "--store_dir", filepath.Join(p.d.s.dir, name),
	}})
}

// among is where a server is for the others.
func among(n lab.Node) string {
	host, port, _ := net.SplitHostPort(n.Address)
	number, _ := strconv.Atoi(port)
	return net.JoinHostPort(host, strconv.Itoa(number+1))
}

// peerNews is what the peer's processes tell, beside what ours do.
type peerNews struct {
	news
	Leader string `json:"leader"`
}

// startLoad starts one end beside a server.
func (p *peer) startLoad(i int, role, stream string) error {
	addresses := make([]string, len(p.nodes))
	for j := range addresses {
		addresses[j] = p.nodes[(i+j)%len(p.nodes)].Address
	}
	task, err := json.Marshal(map[string]any{
		"role": role, "servers": strings.Join(addresses, ","), "stream": stream, "ledger": p.d.s.ledgerPath(), "rate": p.rate,
	})
	if err != nil {
		return err
	}
	return p.d.s.start(i, proc.Spec{Name: role, Path: p.load, Args: []string{string(task)}, Pipe: func(r io.Reader) error {
		return read(r, func(n peerNews) {
			n.Name, n.Cause = role, n.Leader
			p.d.s.emit(n.news)
		})
	}})
}

// take notes what the peer's processes tell.
func (p *peer) take(n news) {
	switch n.What {
	case cluster:
		p.leader, p.current = n.Cause, n.Items
	case ended:
		p.finished, p.pushed = true, n.Items
	}
}

// whole reports whether every replica is there.
func (p *peer) whole() bool {
	return p.leader != "" && p.current == nodeCount-1 && len(p.d.dying) == 0
}

// lastWait is how long is waited for items that were acknowledged and have not been delivered: longer than the consumer takes to
// be given again what it did not acknowledge.
const lastWait = 45 * time.Second

// do makes so many faults, on a stream of its own.
func (p *peer) do(ctx context.Context, number int, pauses []time.Duration) error {
	d, sink, stream := p.d, ledger.New(), fmt.Sprintf("round-%d", number)
	d.s.sink.Use(sink)
	p.leader, p.finished, p.pushed = "", false, 0
	if err := p.startLoad(producerHost, "pub", stream); err != nil {
		return err
	}
	if err := d.await(ctx, "the stream is there", patience, p.whole); err != nil {
		return err
	}
	if err := p.startLoad(consumerHost, "sub", stream); err != nil {
		return err
	}
	for _, pause := range pauses {
		m, err := p.sample(ctx, sink, pause)
		if err != nil {
			return err
		}
		p.samples = append(p.samples, m)
	}
	return p.finish(ctx, sink)
}

// sample kills the server that leads the stream, and starts it again.
func (p *peer) sample(ctx context.Context, sink *ledger.Ledger, pause time.Duration) (m plan.Sample, err error) {
	d := p.d
	for calm := false; !calm; calm = p.whole() {
		if err := d.await(ctx, "every replica is there, and items flow", patience, func() bool { return p.whole() && sink.Account(0).Last > 0 }); err != nil {
			return m, err
		}
		if err := d.pass(ctx, pause); err != nil {
			return m, err
		}
	}
	victim := p.leader
	fault := now()
	reached := sink.Watch(fault)
	d.kill(victim)
	p.leader = ""
	d.stored = false
	d.announce(reached)
	if err := d.await(ctx, JetStream+" delivers again", patience, func() bool { return d.stored }); err != nil {
		return m, err
	}
	if err := d.pass(ctx, settle); err != nil {
		return m, err
	}
	m.Gap, m.Stored = sink.Watched(now())
	m.First, m.Place = m.Stored, "stream's leader"
	for i, n := range p.nodes {
		if n.Name == victim {
			return m, d.restart(victim, func() error { return p.startServer(i) })
		}
	}
	return m, fmt.Errorf("no server is %q", victim)
}

// finish ends the publisher, waits until what it published has been delivered, or for as long as that may take, and counts.
func (p *peer) finish(ctx context.Context, sink *ledger.Ledger) error {
	d := p.d
	if err := d.await(ctx, "every replica is there", patience, p.whole); err != nil {
		return err
	}
	d.dying["pub"], d.dying["sub"] = true, true
	d.s.procs["pub"].Stop()
	if err := d.await(ctx, "all is published", patience, func() bool { return p.finished }); err != nil {
		return err
	}
	for over := time.Now().Add(lastWait); sink.Account(p.pushed).Lost > 0 && time.Now().Before(over); {
		if err := d.pass(ctx, againAfter); err != nil {
			return err
		}
	}
	d.kill("sub")
	a := sink.Account(p.pushed)
	p.total += p.pushed
	p.account.Lost += a.Lost
	p.account.Doubled += a.Doubled
	return d.await(ctx, "its clients have ended", patience, func() bool { return len(d.dying) == 0 })
}

// giveUp ends what there is of the peer, of which nothing more is measured: it has not done in time what it was waited for, which is no reason to
// measure nothing more of ours.
func (p *peer) giveUp(ctx context.Context, why error) error {
	p.late = why
	p.d.kill("pub")
	p.d.kill("sub")
	for _, n := range p.nodes {
		p.d.kill(n.Name)
	}
	return p.d.await(ctx, "the peer's processes have ended", patience, func() bool { return len(p.d.dying) == 0 })
}

// row is what is said of the peer. It has one time: nothing tells a ring from the next.
func (p *peer) row() Row {
	t := plan.Trait{Kind: JetStream + "/leader-killed"}
	return Row{plan.Round{Trait: t, Rate: p.rate}, outcome{Summary: plan.Sum(p.samples), Pushed: p.total, Account: p.account}}
}

package integration

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	log "github.com/grafnode/grafnode/examples/accesslog"
	"github.com/grafnode/grafnode/internal/hosts"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/lab"
	"github.com/grafnode/grafnode/internal/proc"
)

// network is a few hosts on a switch.
type network struct {
	*hosts.Network
	t     *testing.T
	hosts []*host
}

// host is one of them.
type host struct {
	w *network
	i int
}

// newNetwork joins n hosts, or skips the test where that cannot be.
func newNetwork(t *testing.T, n int) *network {
	t.Helper()
	return joinHosts(t, n, hosts.Join)
}

func joinHosts(t *testing.T, n int, join func(*proc.Launcher, int) (*hosts.Network, error)) *network {
	t.Helper()
	keepers := proc.NewLauncher()
	t.Cleanup(keepers.Close)
	w := &network{t: t}
	var err error
	if w.Network, err = join(keepers, n); errors.Is(err, hosts.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	for i := range n {
		w.hosts = append(w.hosts, &host{w, i})
	}
	return w
}

// secure makes what n nodes need to listen beyond loopback, and what an operator calls them with.
func secure(t *testing.T, dir string, n int) ([]lab.Node, func() *tls.Config) {
	t.Helper()
	nodes := lab.PlanAt(make([]string, n), dir)
	files, err := lab.Secure(nodes, dir)
	require.NoError(t, err)
	operator, err := identity.Open(files)
	require.NoError(t, err)
	return nodes, operator.Client
}

// enter makes a process that has not been started one of a host's.
func (p *process) enter(h *host) { p.bin, p.args = h.w.Enter(h.i, p.bin, p.args) }

// cut pulls a host's cable out.
func (w *network) cut(i int) { require.NoError(w.t, w.Cut(i)) }

// heal puts it back.
func (w *network) heal(i int) { require.NoError(w.t, w.Heal(i)) }

func (w *network) drop(from, to int) error { return w.Drop(from, to) }

func (w *network) undrop(from, to int) error { return w.Undrop(from, to) }

// slowRate is one at which the input lasts for two terms of a lease.
const slowRate = 300

// A node is cut off, with a stage on it, for longer than anything there has a lease for: a standby elsewhere goes on, and what
// comes back when the network heals is too late to do harm.
func TestNodeCutOff(t *testing.T) {
	needsTime(t)
	t.Parallel()
	w := newNetwork(t, 3)
	c := newClusterOn(t, w)
	p := newPipeline(t, c, someLines, someRate)
	p.flows(500)
	cut := stageNodes[log.StageEnrich]
	held := p.holder(log.StageEnrich)
	p.stages["standby"] = p.addOn(c.nodes[stageNodes[log.StageStore]], "standby", log.StageEnrich, someRate)
	w.cut(cut)
	eventually(t, "the standby has the role", func(context.Context) bool {
		now := p.holder(log.StageEnrich)
		return now != held && now != ""
	})
	p.flows(500)
	eventually(t, "the stage that is cut off has given up", func(context.Context) bool {
		return p.stages[log.StageEnrich].said("session lost")
	})
	w.heal(cut)
	c.nodes[cut].ready()
	eventually(t, "all lines are stored", func(ctx context.Context) bool { return p.stored(ctx) >= p.lines })
	p.check()
}

// One node cannot send to another, though it hears it. Between followers everything goes on by way of the leader: each side of
// an edge between them finds that it cannot reach the other's node, and the ring comes to the third. The leader's silence makes
// the follower useless until it ends, and no more than that.
func TestOneWay(t *testing.T) {
	needsTime(t)
	for _, from := range []string{"follower", "leader"} {
		t.Run("from "+from, func(t *testing.T) {
			t.Parallel()
			w := newNetwork(t, 3)
			c := newClusterOn(t, w)
			p := newPipeline(t, c, someLines, slowRate)
			p.flows(300)
			var leader int
			for i, nd := range c.nodes {
				if nd == c.leader() {
					leader = i
				}
			}
			a, b := (leader+1)%3, (leader+2)%3
			if from == "leader" {
				a = leader
			}
			require.NoError(t, w.drop(a, b))
			if from == "follower" {
				until := p.stored(t.Context()) + 15*slowRate // longer than any lease
				eventually(t, "lines flow, as long as the same node leads", func(ctx context.Context) bool {
					return p.stored(ctx) >= until || c.leader() != c.nodes[leader]
				})
			} else {
				eventually(t, "the follower hears nothing", func(ctx context.Context) bool {
					s, err := c.nodes[b].api.Status(ctx)
					return err == nil && s.Leader == ""
				})
			}
			require.NoError(t, w.undrop(a, b))
			c.nodes[b].ready()
			p.finish()
		})
	}
}

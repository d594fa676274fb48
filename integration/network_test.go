package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	log "github.com/grafnode/grafnode/examples/accesslog"
)

// network is a few hosts on a switch: network namespaces joined by a bridge. The namespaces have no names, only a process each
// that keeps them: when the tests end, however they end, the kernel kills those, and nothing is left.
type network struct {
	t      *testing.T
	hub    *process
	hosts  []*process
	subnet string
}

// newNetwork joins n hosts, or skips the test where that cannot be.
func newNetwork(t *testing.T, n int) *network {
	t.Helper()
	return joinHosts(t, n, syscall.CLONE_NEWNET)
}

// joinHosts joins n hosts on a bridge that lies in a namespace made with the flags, none: in this process's own.
func joinHosts(t *testing.T, n int, hub uintptr) *network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"ip", "nsenter", "sleep"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("network namespaces need %s: %v", tool, err)
		}
	}
	w := &network{t: t, subnet: "10.77.0."}
	w.hub = w.namespace("hub", hub)
	w.in(w.hub, "ip link add br0 type bridge forward_delay 0 stp_state 0")
	w.in(w.hub, "ip link set br0 up")
	for i := range n {
		h := w.namespace(fmt.Sprintf("host%d", i), syscall.CLONE_NEWNET)
		w.hosts = append(w.hosts, h)
		w.in(w.hub, fmt.Sprintf("ip link add p%d type veth peer name eth0 netns %d", i, h.pid()))
		w.in(w.hub, fmt.Sprintf("ip link set p%d master br0 up", i))
		w.in(h, "ip link set lo up")
		w.in(h, fmt.Sprintf("ip addr add %s/24 dev eth0", w.address(i)))
		w.in(h, "ip link set eth0 up")
	}
	return w
}

// namespace starts the process that keeps a new namespace.
func (w *network) namespace(name string, clone uintptr) *process {
	p := &process{t: w.t, name: name, log: os.DevNull, bin: "sleep", args: []string{"infinity"}, clone: clone}
	err := p.try()
	if errors.Is(err, syscall.EPERM) {
		w.t.Skip("this root may not make network namespaces")
	}
	require.NoError(w.t, err)
	w.t.Cleanup(p.kill)
	return p
}

func (w *network) address(i int) string { return fmt.Sprint(w.subnet, i+1) }

// netOf is how nsenter is told a namespace.
func netOf(host *process) string { return fmt.Sprintf("--net=/proc/%d/ns/net", host.pid()) }

// enter makes a process that has not been started one of a host's.
func (p *process) enter(host *process) {
	p.bin, p.args = "nsenter", append([]string{netOf(host), p.bin}, p.args...)
}

func (w *network) in(host *process, command string) {
	w.t.Helper()
	require.NoError(w.t, w.run(host, command))
}

func (w *network) run(host *process, command string) error {
	out, err := exec.Command("nsenter", append([]string{netOf(host)}, strings.Fields(command)...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", command, err, out)
	}
	return nil
}

// cut pulls a host's cable out.
func (w *network) cut(i int) { w.in(w.hub, fmt.Sprintf("ip link set p%d down", i)) }

// heal puts it back.
func (w *network) heal(i int) { w.in(w.hub, fmt.Sprintf("ip link set p%d up", i)) }

// drop loses all that one host sends to another, which can still send: the sender believes that the other's network card has an
// address that nobody has.
func (w *network) drop(from, to int) error {
	return w.run(w.hosts[from], fmt.Sprintf("ip neigh replace %s lladdr 02:00:00:00:00:ff dev eth0 nud permanent", w.address(to)))
}

// undrop ends a drop.
func (w *network) undrop(from, to int) error {
	return w.run(w.hosts[from], fmt.Sprintf("ip neigh del %s dev eth0", w.address(to)))
}

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

package integration

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/faultnet"
	"github.com/grafnode/grafnode/internal/hosts"
)

// proxies join nodes of this host by a proxy for each pair and direction of dialling. Gossip goes straight: it is only a hint,
// and one that says that a node is well while nobody reaches it is a fault of its own.
type proxies struct {
	addresses []string
	between   [][]*faultnet.Proxy // by who dials, and whom
}

func newProxies(t *testing.T, n int) (*proxies, []string) {
	t.Helper()
	port := freePort(t)
	p := &proxies{between: make([][]*faultnet.Proxy, n)}
	for i := range n {
		p.addresses = append(p.addresses, fmt.Sprintf("127.0.0.%d:%d", i+1, port))
	}
	for from := range n {
		p.between[from] = make([]*faultnet.Proxy, n)
		for to := range n {
			if from != to {
				p.between[from][to] = faultnet.Start(t, p.addresses[to])
			}
		}
	}
	return p, p.addresses
}

func (p *proxies) dials(from int) string {
	var ways []string
	for to, proxy := range p.between[from] {
		if proxy != nil {
			ways = append(ways, p.addresses[to]+"="+proxy.Addr())
		}
	}
	return strings.Join(ways, ",")
}

// drop holds back what one node sends another, whoever of the two has dialled.
func (p *proxies) drop(from, to int) error {
	p.between[from][to].Cut(faultnet.Up)
	p.between[to][from].Cut(faultnet.Down)
	return nil
}

// undrop lets it flow again. What was held back on old connections comes, as it does when a cable is put back.
func (p *proxies) undrop(from, to int) error {
	p.between[from][to].Mend(faultnet.Up)
	p.between[to][from].Mend(faultnet.Down)
	return nil
}

// hubEnv tells a copy of the tests that it has a network namespace of its own.
const hubEnv = "GRAFNODE_TEST_HUB"

// inNamespace runs the calling test in a copy of this process that has namespaces of its own, for networks and disks, and reports true in the process
// that only waited for it. In the copy it returns false: the test goes on there, and whatever it dials is dialled from there.
func inNamespace(t *testing.T, tags ...string) bool {
	t.Helper()
	if os.Getenv(hubEnv) != "" {
		return false
	}
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	cmd := exec.Command(os.Args[0], append(os.Args[1:], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v", "-test.count=1")...)
	cmd.Env = append(os.Environ(), hubEnv+"=1")
	for _, tag := range tags {
		cmd.Env = append(cmd.Env, binEnv(tag)+"="+built(t, tag))
	}
	var out bytes.Buffer // others run beside it
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	started := make(chan error)
	starts <- func() { started <- cmd.Start() }
	require.NoError(t, <-started)
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	t.Logf("%s", bytes.TrimSpace(out.Bytes()))
	require.NoError(t, err, "the test in its namespace")
	return true
}

// newHub joins n hosts on a bridge in this process's own namespace, where it has an address, too.
func newHub(t *testing.T, n int) (*network, []string) {
	t.Helper()
	w := joinHosts(t, n, hosts.JoinHere)
	require.NoError(t, w.RunHub("ip link set lo up"))
	require.NoError(t, w.RunHub("ip addr add "+w.HubAddress()+"/24 dev br0"))
	var addresses []string
	for i := range n {
		addresses = append(addresses, net.JoinHostPort(w.Address(i), "17000"))
	}
	return w, addresses
}

func (w *network) dials(int) string { return "" }

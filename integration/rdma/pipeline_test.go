package rdma

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/client"
	log "github.com/grafnode/grafnode/examples/accesslog"
)

// What the near machine asks of the far one.
const (
	askHeard    = "heard" // its tally
	askLogs     = "logs"
	askApart    = "apart"    // to drop what comes for its adapter
	askTogether = "together" // to drop nothing
)

// tally is what has come to the far machine's adapter.
type tally struct {
	Messages  uint64 // writes with an immediate: a few for each handful of records in a ring there, one for dozens in a ring elsewhere
	Fallbacks uint64 // producers that go by TCP after all
}

var farAddress = address(2) + ":7400"

// A pipeline of real processes in two machines: nodes, and stages whose edges cross the cable both ways. An edge's ring moves between nodes, so that
// its producer writes it by its adapter, over TCP and in shared memory, in every order; the adapters are parted, the cable is pulled, and one of the machines is
// killed. Each line is stored once. TestPipelineFar is the second machine's part: a node and a stage, until it is killed.
func TestPipelineFar(t *testing.T) {
	h := newHost(t)
	l, err := net.Listen("tcp", farAddress)
	require.NoError(t, err)
	a := h.agent(nodeFar)
	h.nodes(a)
	h.keep(nodeFar, log.StageEnrich, 0)
	for {
		conn, err := l.Accept()
		require.NoError(t, err)
		question, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		require.NoError(t, json.NewEncoder(conn).Encode(h.answer(a, strings.TrimSpace(question))))
		require.NoError(t, conn.Close())
	}
}

func (h *host) answer(a *client.API, question string) (answer any) {
	switch question {
	case askHeard:
		b, err := os.ReadFile("/sys/class/infiniband/rxe0/ports/1/hw_counters/rdma_recvs")
		require.NoError(h.t, err)
		var heard tally
		_, err = fmt.Sscan(string(b), &heard.Messages)
		require.NoError(h.t, err)
		heard.Fallbacks, err = metric(h.ctx, a, "grafnode_rdma_fallbacks_total")
		require.NoError(h.t, err)
		return heard
	case askLogs:
		return logs()
	case askApart:
		h.command("tc qdisc add dev eth0 ingress")
		h.command("tc filter add dev eth0 ingress protocol ip u32 match ip protocol 17 0xff match ip dport 4791 0xffff action drop")
	case askTogether:
		h.command("tc qdisc del dev eth0 ingress")
	}
	return nil
}

// command runs one, whose words are separated by spaces.
func (h *host) command(line string) {
	h.t.Helper()
	words := strings.Fields(line)
	out, err := exec.CommandContext(h.ctx, words[0], words[1:]...).CombinedOutput()
	require.NoError(h.t, err, "%s: %s", line, out)
}

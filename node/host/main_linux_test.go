package host_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/node/host"
)

const childEnv = "GRAFNODE_HOST_TEST_CHILD"

func TestMain(m *testing.M) {
	if socket := os.Getenv(childEnv); socket != "" {
		stage(socket)
		return
	}
	goleak.VerifyTestMain(m)
}

func configure(memory uint64) func(*host.Config) {
	return func(c *host.Config) { c.Memory = memory }
}

// stage is a stage process: it opens a session and then does what it is told, a line at a time.
func stage(socket string) {
	fail := func(err error) {
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
	ctx := context.Background()
	c, err := client.Dial(ctx, client.Config{Socket: socket, Stage: "child", TTL: ttl, Logger: slog.New(slog.DiscardHandler)})
	fail(err)
	s, err := c.Session(ctx)
	fail(err)
	fmt.Println(s.ID)
	var p fabric.Producer
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		verb, rest, _ := strings.Cut(lines.Text(), " ")
		switch verb {
		case "attach":
			var e api.Edge
			fail(json.Unmarshal([]byte(rest), &e))
			p, err = c.AttachProducer(ctx, e)
			fail(err)
		case "push":
			b, err := p.Claim(len(rest))
			fail(err)
			copy(b, rest)
			fail(p.Commit())
			fail(p.Flush())
		case "lost":
			<-s.Lost
		}
		fmt.Println("done")
	}
}

// child is a stage in a process of its own.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	in  interface{ Write([]byte) (int, error) }
	out *bufio.Scanner
	id  lease.SessionID
}

func spawn(t *testing.T, socket string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+socket)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	c := &child{t: t, cmd: cmd, in: in, out: bufio.NewScanner(out)}
	c.id = lease.SessionID(c.line())
	return c
}

func (c *child) line() string {
	c.t.Helper()
	require.True(c.t, c.out.Scan(), "the stage process ended: %v", c.out.Err())
	require.NotContains(c.t, c.out.Text(), "error:")
	return c.out.Text()
}

func (c *child) start(format string, args ...any) {
	c.t.Helper()
	_, err := c.in.Write(fmt.Appendf(nil, format+"\n", args...))
	require.NoError(c.t, err)
}

func (c *child) do(format string, args ...any) {
	c.t.Helper()
	c.start(format, args...)
	require.Equal(c.t, "done", c.line())
}

// A killed process loses its session at once; what it had pushed is still there, and its memory is counted until then.
func TestKilledStage(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1)
	producer := spawn(t, n.socket)
	b := dial(t, n.socket, "b")
	e := c.grant("e", 1, 1, producer.id, session(t, b).ID)
	producer.start("attach %s", jsonOf(t, e))
	consumer, err := b.AttachConsumer(t.Context(), e)
	require.NoError(t, err)
	defer consumer.Close()
	require.Equal(t, "done", producer.line())
	producer.do("push last words")
	require.NoError(t, producer.cmd.Process.Kill())
	require.Eventually(t, func() bool { _, alive := c.Session(producer.id); return !alive }, patience, time.Millisecond)
	require.Equal(t, "last words", pop(t, consumer))
	require.Eventually(t, func() bool { return n.Rings()[0].Attached == 1 }, patience, time.Millisecond)
}

// A stopped process keeps its connection, but its session is renewed no longer; when it wakes it finds out by itself.
func TestStoppedStageIsNotRenewed(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1)
	p := spawn(t, n.socket)
	require.Eventually(t, func() bool { return n.renewals(p.id) > 0 }, patience, time.Millisecond)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGSTOP))
	require.Eventually(t, func() bool {
		_, sessions := n.Renewable()
		return len(sessions) == 0
	}, patience, time.Millisecond)
	require.Equal(t, 1, n.Sessions(), "its connection is open all the same")
	time.Sleep(ttl) // the one thing to wait for is time itself: the deadline that was granted last
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGCONT))
	p.do("lost")
}

func jsonOf(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return bytes.TrimSpace(b)
}

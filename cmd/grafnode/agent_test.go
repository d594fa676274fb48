package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/identity/identitytest"
	"github.com/grafnode/grafnode/internal/testport"
	"github.com/grafnode/grafnode/lease"
)

// patience bounds what must happen in the end; nothing is judged by how fast it was.
const patience = time.Minute

// agents are processes of this command.
type agents struct {
	t    *testing.T
	args [][]string
	cmds []*exec.Cmd
	bind []string
	logs []*bytes.Buffer
	tls  func() *tls.Config // what they are asked with
}

func newAgents(t *testing.T, n int) *agents {
	t.Helper()
	return newAgentsOf(t, n, nil, func(int) []string { return nil })
}

// newSecureAgents starts agents that have certificates of a house.
func newSecureAgents(t *testing.T, n int, house *identitytest.House) *agents {
	t.Helper()
	return newAgentsOf(t, n, house.Open("test", identity.Server).Client, func(i int) []string {
		files := house.Member("node-"+strconv.Itoa(i), identity.Server)
		return []string{"--tls-ca", files.CA, "--tls-cert", files.Cert, "--tls-key", files.Key}
	})
}

// newAgentsOf starts agents that are told something besides.
func newAgentsOf(t *testing.T, n int, with func() *tls.Config, more func(i int) []string) *agents {
	t.Helper()
	root, err := os.MkdirTemp("", "gn") // not t.TempDir: its paths are too long for a socket
	require.NoError(t, err)
	a := &agents{t: t, tls: with, cmds: make([]*exec.Cmd, n), logs: make([]*bytes.Buffer, n)}
	join := ""
	for range n {
		a.bind = append(a.bind, fmt.Sprintf("127.0.0.1:%d", testport.Pair(t)))
		join += "," + a.bind[len(a.bind)-1]
	}
	file := filepath.Join(root, "seeds")
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(join[1:], ",", "\n")), 0o600))
	for i, bind := range a.bind { // addresses, names and a file: whichever way they are told of each other
		seeds := [][]string{{"--join", join[1:]}, {"--join", strings.ReplaceAll(join[1:], "127.0.0.1", "localhost")}, {"--join-file", file}}[i%3]
		a.args = append(a.args, append([]string{"agent", "--data-dir", filepath.Join(root, strconv.Itoa(i)), "--bind", bind, seeds[0], seeds[1],
			"--bootstrap-expect", strconv.Itoa(n), "--zone", "z" + strconv.Itoa(i), "--memory", "64MiB", "--raft-heartbeat", "500ms"}, more(i)...))
		a.logs[i] = &bytes.Buffer{}
		a.start(i)
	}
	t.Cleanup(func() {
		for i := range a.cmds {
			a.kill(i, syscall.SIGKILL)
			if t.Failed() {
				t.Logf("agent %d:\n%s", i, a.logs[i])
			}
		}
		require.NoError(t, os.RemoveAll(root))
	})
	return a
}

func (a *agents) start(i int) {
	a.t.Helper()
	cmd := exec.Command(os.Args[0], a.args[i]...)
	cmd.Env = append(os.Environ(), "GRAFNODE_TEST_COMMAND=1")
	cmd.Stderr = a.logs[i]
	require.NoError(a.t, cmd.Start())
	a.cmds[i] = cmd
}

// kill ends a process and returns its exit status; -1 for one that a signal ended.
func (a *agents) kill(i int, sig os.Signal) int {
	a.t.Helper()
	cmd := a.cmds[i]
	if cmd == nil {
		return 0
	}
	a.cmds[i] = nil
	_ = cmd.Process.Signal(sig) // it may have ended by itself; Wait tells
	err := cmd.Wait()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		require.NoError(a.t, err)
	}
	return cmd.ProcessState.ExitCode()
}

func (a *agents) api(i int, session lease.SessionID) *client.API {
	a.t.Helper()
	c, err := client.NewAPI(a.bind[i], client.APIConfig{Credentials: func() (lease.SessionID, string) { return session, "secret" }, TLS: a.tls})
	require.NoError(a.t, err)
	a.t.Cleanup(func() { _ = c.Close() })
	return c
}

// ready waits until all agents that run are ready, and returns who leads.
func (a *agents) ready() (leader int) {
	a.t.Helper()
	eventually(a.t, func(ctx context.Context) error {
		for i, cmd := range a.cmds {
			if cmd == nil {
				continue
			}
			s, err := a.api(i, "").Status(ctx)
			if err != nil {
				return err
			}
			if !s.Ready {
				return fmt.Errorf("agent %d: %v", i, s.Problems)
			}
			if s.State == "leader" {
				leader = i
			}
		}
		return nil
	})
	return leader
}

func eventually(t *testing.T, f func(ctx context.Context) error) {
	t.Helper()
	var last error
	for began := time.Now(); time.Since(began) < patience; {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		last = f(ctx)
		cancel()
		if last == nil {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
	require.NoError(t, last)
}

// session opens a session of no process on agent i.
func (a *agents) session(i int, id lease.SessionID) {
	a.t.Helper()
	sum := sha256.Sum256([]byte("secret"))
	eventually(a.t, func(ctx context.Context) error {
		s, err := a.api(i, "").Status(ctx)
		if err != nil {
			return err
		}
		nodes, err := a.api(i, "").Nodes(ctx, api.Default)
		for _, n := range nodes {
			if n.ID == s.Node {
				_, err = a.api(i, "").Sessions(ctx, api.SessionRequest{Open: &api.SessionOpen{
					Session: id, Node: n.ID, Incarnation: n.Incarnation, Stage: "stage", TTL: lease.TTLMax, TokenSum: sum[:],
				}})
			}
		}
		return err
	})
}

// change gives edge e its next generation, by agent i, whatever it takes.
func (a *agents) change(i int, session lease.SessionID) (changed api.Edge) {
	a.t.Helper()
	eventually(a.t, func(ctx context.Context) error {
		e, err := a.api(i, "").Edge(ctx, "e", api.Default)
		if err != nil && !errors.Is(err, api.ErrNotFound) {
			return err
		}
		resp, err := a.api(i, session).Change(ctx, api.ChangeRequest{
			OpID: string(lease.NewID()), Session: session, Reason: api.ReasonTakeover, Edges: []api.EdgeChange{
				{Name: "e", Expect: e.Revision, TakeProducer: true, ProducerStage: "stage"},
			},
		})
		if err == nil {
			changed = resp.Edges[0]
		}
		return err
	})
	return changed
}

// Every agent is killed once, the leader of the moment first, and started again; changes go on, and generations only rise.
func TestAGroupSurvivesTheDeathOfEachAgent(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	a := newAgents(t, 3)
	leader := a.ready()
	a.session(leader, "s1")
	last := a.change(leader, "s1")
	for n := range 3 {
		victim := (leader + n) % 3
		require.Equal(t, -1, a.kill(victim, syscall.SIGKILL))
		next := a.change((victim+1)%3, "s1")
		require.Greater(t, next.Generation, last.Generation)
		a.start(victim)
		a.ready()
		last = a.change(victim, "s1")
		require.Greater(t, last.Generation, next.Generation)
	}
	for i := range a.cmds {
		require.Equal(t, exitOK, a.kill(i, syscall.SIGTERM), "a stop that was asked for is no failure")
	}
}

func TestVerbsAskAnAgent(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	a := newAgents(t, 1)
	a.ready()
	a.session(0, "s1")
	a.change(0, "s1")
	t.Setenv("GRAFNODE_ADDRESS", a.bind[0])
	ask := func(args ...string) string {
		var out, errs bytes.Buffer
		require.Equal(t, exitOK, run(t.Context(), args, &out, &errs), "%v: %s", args, errs.String())
		return out.String()
	}
	require.Contains(t, ask("status"), "ready     yes")
	require.Contains(t, ask("members"), a.bind[0])
	require.Contains(t, ask("leases"), "edge e")
	require.Contains(t, ask("edge", "list"), "stage/1")
	require.Contains(t, ask("edge", "get", "e"), "generation  1")
	require.Contains(t, ask("edge", "relocate", "e"), "requested")
	require.Contains(t, ask("edge", "history", "e"), "requested")
	require.Contains(t, ask("edge", "get", "e", "--json"), `"generation": 2`)

	require.Contains(t, ask("node", "list"), a.bind[0])
	require.Contains(t, ask("session", "list"), "stage")
	require.Contains(t, ask("session", "get", "s1"), "edges")
	held, err := a.api(0, "").Edge(t.Context(), "e", api.Default)
	require.NoError(t, err)
	ring := string(held.Locator.Arena)
	testDrain(t, string(held.Locator.Node), ask)
	require.Contains(t, ask("lease", "get", ring), "edge e")
	require.Contains(t, ask("lease", "revoke", ring, "--detail", "a test"), "revoked")
	require.Contains(t, ask("edge", "history", "e"), "a test")
	require.Contains(t, ask("operator", "health", "--wait", "30s"), "healthy   yes")
	require.Contains(t, ask("operator", "raft", "list-peers"), "leader")
	snapshot := filepath.Join(t.TempDir(), "snapshot")
	require.Contains(t, ask("operator", "snapshot", "save", snapshot), "1 edges")
	require.Contains(t, ask("operator", "snapshot", "verify", snapshot), "is whole")
	eventually(t, func(ctx context.Context) error { // once the level allows it
		var out, errs bytes.Buffer
		if code := run(ctx, []string{"operator", "snapshot", "restore", snapshot}, &out, &errs); code != exitOK {
			return errors.New(errs.String())
		}
		return nil
	})
	restored, err := a.api(0, "").Edge(t.Context(), "e", api.Default)
	require.NoError(t, err)
	require.Greater(t, restored.Generation, held.Generation+1<<31)

	var out, errs bytes.Buffer
	require.Equal(t, exitFailed, run(t.Context(), []string{"operator", "raft", "transfer-leader"}, &out, &errs), "there is nobody to lead instead")
	errs.Reset()
	require.Equal(t, exitFailed, run(t.Context(), []string{"edge", "get", "nope"}, &out, &errs))
	require.Contains(t, errs.String(), "no edge nope")

	// A watch goes on until it is interrupted.
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"edge", "watch"}, writer, io.Discard) }()
	line := make([]byte, 256)
	n, err := reader.Read(line)
	require.NoError(t, err)
	require.Contains(t, string(line[:n]), fmt.Sprintf("generation %d", restored.Generation))
	cancel()
	require.Equal(t, exitOK, <-done)
	require.Contains(t, ask("edge", "delete", "e"), "deleted e")
	require.Empty(t, strings.TrimSpace(strings.Replace(ask("lease", "list"), "LEASE  KIND  NODE  BYTES  TERM  FOR  EPOCH  GRANTED", "", 1)))
}

// testDrain drains the only node, which edge e is on.
func testDrain(t *testing.T, id string, ask func(...string) string) {
	require.Contains(t, ask("node", "show", id[:8]), "ring e, generation 2")
	fails := func(want string, args ...string) {
		t.Helper()
		eventually(t, func(ctx context.Context) error { // once the level allows it
			var out, errs bytes.Buffer
			if code := run(ctx, append([]string{"node", "drain", id[:8]}, args...), &out, &errs); code != exitFailed || !strings.Contains(errs.String(), want) {
				return fmt.Errorf("exit status %d: %s", code, errs.String())
			}
			return nil
		})
	}
	fails("no other node has room for 1 of its rings: e")
	require.NotContains(t, ask("node", "list"), "until-enabled")
	fails("still has 1 rings, 0 spares, 0 leases outside edges after 300ms, and is being drained: e", "--force", "--deadline", "300ms")
	require.Contains(t, ask("node", "list"), "until-enabled")
	require.Contains(t, ask("node", "drain", id, "--force", "--detach"), "1 rings")
	require.NotContains(t, ask("node", "drain", id, "--cancel"), "until-enabled")

	eventually(t, func(ctx context.Context) error { // likewise
		var errs bytes.Buffer
		if code := run(ctx, []string{"node", "eligibility", id[:8], "--disable"}, io.Discard, &errs); code != exitOK {
			return errors.New(errs.String())
		}
		return nil
	})
	require.Contains(t, ask("node", "list"), "ineligible")
	require.Contains(t, ask("node", "show", id), "ring e, generation 2", "what it has stays")
	require.Contains(t, ask("node", "eligibility", id, "--enable"), "may get new rings")
	require.NotContains(t, ask("node", "list"), "ineligible")
	code, _, stderr := command(t, "node", "eligibility", id)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "one of --enable and --disable")
}

// Two of three are gone for good: the third goes on alone under another name, and what it grants is above all before.
func TestAMajorityIsLost(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	a := newAgents(t, 3)
	leader := a.ready()
	a.session(leader, "s1")
	last := a.change(leader, "s1")
	eventually(t, func(ctx context.Context) error { // of the survivor, which must have it
		e, err := a.api(0, "").Edge(ctx, "e", api.Stale)
		if err == nil && e.Revision < last.Revision {
			err = errors.New("behind")
		}
		return err
	})
	a.kill(1, syscall.SIGKILL)
	a.kill(2, syscall.SIGKILL)
	dir, bind := a.args[0][2], a.bind[0]
	code, _, stderr := command(t, "operator", "raft", "recover", "--data-dir", dir, "--bind", bind, "--yes")
	require.Equal(t, exitUsage, code, "its agent runs")
	require.Contains(t, stderr, "in use")
	a.kill(0, syscall.SIGKILL)
	code, stdout, stderr := command(t, "operator", "raft", "recover", "--data-dir", dir, "--bind", bind, "--json")
	require.Equal(t, exitFailed, code, "nothing is done without --yes")
	require.Contains(t, stderr, "nothing was changed")
	var would, said recovered
	require.NoError(t, json.Unmarshal([]byte(stdout), &would))
	require.Equal(t, 1, would.Edges)
	code, stdout, stderr = command(t, "operator", "raft", "recover", "--data-dir", dir, "--bind", bind, "--yes", "--json")
	require.Equal(t, exitOK, code, stderr)
	require.NoError(t, json.Unmarshal([]byte(stdout), &said))
	require.Equal(t, would, said)
	require.Len(t, said.Left, 2)
	require.NotEqual(t, said.Was, said.Cluster)
	a.start(0)
	t.Setenv("GRAFNODE_ADDRESS", bind)
	code, _, stderr = ask(t, "operator", "health", "--wait", patience.String())
	require.Equal(t, exitOK, code, stderr)
	next := a.change(0, "s1")
	require.Greater(t, next.Generation, last.Generation+1<<31)
	require.Greater(t, next.Revision, last.Revision+1<<31)
}

func TestDevAgentLeavesNothingBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	tmp, err := os.MkdirTemp("", "gn")
	require.NoError(t, err)
	defer os.RemoveAll(tmp)
	bind := fmt.Sprintf("127.0.0.1:%d", testport.Pair(t))
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(tmp, "notify"), Net: "unixgram"})
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0], "agent", "-dev", "--bind", bind, "--drain-on-stop", "5m")
	cmd.Env = append(os.Environ(), "GRAFNODE_TEST_COMMAND=1", "TMPDIR="+tmp, "NOTIFY_SOCKET="+manager.LocalAddr().String())
	require.NoError(t, cmd.Start())
	a := &agents{t: t, cmds: []*exec.Cmd{cmd}, bind: []string{bind}}
	a.ready()
	require.Equal(t, exitOK, a.kill(0, os.Interrupt))
	told := make([]byte, 200)
	for _, want := range []string{"READY=1\nSTATUS=node ", "STOPPING=1\nEXTEND_TIMEOUT_USEC=330000000"} { // the drain, and what a stop takes without
		n, err := manager.Read(told)
		require.NoError(t, err)
		require.Contains(t, string(told[:n]), want)
	}
	require.NoError(t, errors.Join(manager.Close(), os.Remove(manager.LocalAddr().String())))
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	require.Empty(t, left)
}

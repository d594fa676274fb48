package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/lease"
)

// holderEnv tells a copy of the tests that it is a holder of a session, at the socket that it names.
const holderEnv = "GRAFNODE_TEST_HOLDER"

// holdAlone is a stage process that has a session and nothing else. It says on its standard output when its node has answered, and
// at the end what it was told; it ends when its session does.
func holdAlone(socket string) int {
	h, err := newHolder(&member{node: &node{socket: socket}}, history.NewRecorder(0), 0)
	if err == nil {
		err = h.open(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(h.held.Session)
	h.attend(context.Background(), func() { fmt.Println("heard") })
	line, err := json.Marshal(h.held)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(string(line))
	return 0
}

// A process that is stopped for longer than its lease has lost it when it goes on: its session ends in time, though its socket is
// open and its node well, and nothing that it sends when it wakes brings it back. Three at once, by way of three nodes.
func TestHolderStoppedLongerThanItsLease(t *testing.T) {
	needsTime(t)
	t.Parallel()
	torture{nodes: 3, tags: "faults", groups: 4, think: 30 * time.Millisecond, script: func(ctx context.Context, e *ensemble, rec *history.Recorder) error {
		t.Run("holders", func(t *testing.T) {
			for _, m := range e.members {
				t.Run(m.name, func(t *testing.T) {
					t.Parallel()
					stopHolder(t, m, rec)
				})
			}
		})
		return nil
	}}.run(t)
}

func stopHolder(t *testing.T, m *member, rec *history.Recorder) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holderEnv+"="+m.socket)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	started := make(chan error)
	starts <- func() { started <- cmd.Start() }
	require.NoError(t, <-started)
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	session := lease.SessionID(lines.Text())
	for range 4 { // it is being renewed; and now its node has answered, so nothing of it is on its way
		require.True(t, lines.Scan())
		require.Equal(t, "heard", lines.Text())
	}
	began := boottime.Now()
	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
	require.NoError(t, await(t.Context(), "its session ends", func(ctx context.Context) error {
		all, err := m.api.LiveSessions(ctx, api.Default)
		if err == nil && slices.ContainsFunc(all, func(s api.Session) bool { return s.ID == session }) {
			err = fmt.Errorf("session %s lives", session)
		}
		return err
	}))
	require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
	rec.Fault("holder of %s was stopped for %v", session, boottime.Now().Sub(began))
	var last string
	for lines.Scan() {
		last = lines.Text()
	}
	var held history.Holding
	require.NoError(t, json.Unmarshal([]byte(last), &held), last)
	require.NoError(t, cmd.Wait())
	require.NotZero(t, held.Lost, "it was told")
	held.Node = m.number
	rec.Holding(held)
}

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/identity/identitytest"
)

// A program in another language finds its way around a cluster with certificates, and goes on when the node that it asks dies.
func TestThePythonExample(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3 here")
	}
	house := identitytest.New(t)
	a := newSecureAgents(t, 3, house)
	leader := a.ready()
	a.session(leader, "s1")
	first := a.change(leader, "s1")

	files := house.Member("program", identity.Client)
	watched := (leader + 1) % 3
	python := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "python3", append([]string{"../../examples/python/grafnode.py"}, args...)...)
		cmd.Env = append(os.Environ(), "GRAFNODE_ADDRESS="+a.bind[watched]+","+a.bind[leader],
			"GRAFNODE_TLS_CA="+files.CA, "GRAFNODE_TLS_CERT="+files.Cert, "GRAFNODE_TLS_KEY="+files.Key)
		return cmd
	}
	watch := python("watch")
	out, err := watch.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, watch.Start())
	defer func() {
		require.NoError(t, watch.Process.Kill())
		require.Error(t, watch.Wait()) // killed
	}()
	lines := bufio.NewScanner(out)
	await := func(generation any) {
		for want := fmt.Sprintf("e generation %v at ", generation); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), want) {
				return
			}
		}
		require.FailNow(t, "the watch has ended")
	}
	await(first.Generation)
	second := a.change(leader, "s1")
	await(second.Generation)
	a.kill(watched, syscall.SIGKILL)
	third := a.change(leader, "s1")
	await(third.Generation)

	shown, err := python("locator", "e").Output()
	require.NoError(t, err)
	require.Contains(t, string(shown), fmt.Sprintf(`"generation": %d`, third.Generation))
	missing, err := python("locator", "none").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(missing), "no edge none")
}

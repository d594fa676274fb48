package main

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
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

// What was deleted while its node was away is told, though the next node only has the state to tell.
func TestThePythonExampleTellsWhatIsNoMore(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3 here")
	}
	asked := make(chan string, 3)
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := r.URL.Query().Get("from")
		asked <- from
		say := func(format string, names ...string) {
			for _, name := range names {
				fmt.Fprintf(w, format+"\n", name)
			}
		}
		if from == "0" {
			say(`{"type":"state","revision":7,"edge":{"name":%q,"generation":1}}`, "stays", "goes")
			say(`{"type":"sync","revision":%s}`, "7")
			return // the node has gone
		}
		say(`{"type":"state","resync":true,"revision":9,"edge":{"name":%q,"generation":1}}`, "stays")
		say(`{"type":"sync","resync":true,"revision":%s}`, "9")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	watch := exec.CommandContext(t.Context(), "python3", "../../examples/python/grafnode.py", "watch")
	watch.Env = append(os.Environ(), "GRAFNODE_ADDRESS="+node.Listener.Addr().String())
	out, err := watch.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, watch.Start())
	var told []string
	for lines := bufio.NewScanner(out); len(told) < 4 && lines.Scan(); {
		told = append(told, lines.Text())
	}
	require.Equal(t, []string{"stays generation 1 at no node", "goes generation 1 at no node", "stays generation 1 at no node", "goes deleted"}, told)
	require.Equal(t, []string{"0", "7"}, []string{<-asked, <-asked})
	require.NoError(t, watch.Process.Kill())
	require.Error(t, watch.Wait()) // killed
	node.Close()
}

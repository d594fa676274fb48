package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
)

func TestTopShowsFirstWhatNeedsALook(t *testing.T) {
	took := func(items uint64) *api.SideReport {
		return &api.SideReport{Session: "s", EdgeReport: api.EdgeReport{Role: fabric.RoleConsumer, Items: items}}
	}
	view := func(at time.Time, busy, idle, lost uint64) topView {
		return topView{At: at, Nodes: []api.Node{
			{Name: "one", ID: "id-one", Zone: "a", Health: "alive", Leader: true, Voter: true, Memory: 1 << 30, Leased: 1 << 20},
			{Name: "two", ID: "id-two", Zone: "b", Health: "dead", Voter: true, Memory: 1 << 30},
		}, Edges: []standingEdge{
			{api.Edge{Name: "idle", Generation: 1}, api.Standing{State: api.StateFlowing, Consumer: took(idle)}},
			{api.Edge{Name: "busy", Generation: 2}, api.Standing{State: api.StateFlowing, Consumer: took(busy)}},
			{api.Edge{Name: "lost", Generation: 3}, api.Standing{State: api.StateRelocating, Since: noon, Consumer: took(lost)}},
		}, Unheard: []api.Unheard{{Node: "id-two", Name: "two", Why: "gossip says dead"}}}
	}
	var out strings.Builder
	// The stage of "lost" counts anew: it was started again.
	view(noon.Add(2*time.Second), 3000, 10, 5).draw(&out, view(noon, 1000, 10, 7))
	require.Equal(t, strings.Join([]string{
		"12:00:02.000  1 of 2 nodes alive, one leads; 3 edges",
		"",
		"NODE  ZONE  HEALTH  ROLE    LENT            CLOSED",
		"one   a     alive   leader  1 MiB of 1 GiB  -",
		"two   b     dead    voter   0 B of 1 GiB    -",
		"",
		"EDGE  STATE                          RATE    LAG  GENERATION  NODE  SPARE  PRODUCER  CONSUMER",
		"lost  relocating since 12:00:00.000  -       -    3           -     -      -         -",
		"busy  flowing                        1000/s  -    2           -     -      -         -",
		"idle  flowing                        0/s     -    1           -     -      -         -",
		"not heard: node two: gossip says dead",
		"",
	}, "\n"), out.String())
	require.Empty(t, view(noon, 0, 0, 0).rates(topView{}))
}

func TestTopFitsTheScreen(t *testing.T) {
	lines := []string{"häuser\n", "two\n", "three\n", "four\n"}
	require.Equal(t, []string{"häus\n", "two\n", "thre\n", "four\n"}, fit(lines, 4, 4))
	require.Equal(t, []string{"häuser\n", "... 3 more\n"}, fit(lines, 80, 2))
}

func TestTopGoesOn(t *testing.T) {
	seen(t)
	code, out, errs := ask(t, "top", "--rounds", "2", "--every", "100ms")
	require.Equal(t, exitFailed, code, "the nodes are not told there")
	require.Contains(t, out, "no answer: ")
	require.NotEmpty(t, errs)

	asked := 0
	played(t, map[string]http.HandlerFunc{
		"GET /v1/nodes": func(w http.ResponseWriter, _ *http.Request) {
			if asked++; asked == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			give(w, []api.Node{{Name: "one", Health: "alive"}})
		},
		"GET /v1/edges":   func(w http.ResponseWriter, _ *http.Request) { give(w, []api.Edge{}) },
		"GET /v1/reports": func(w http.ResponseWriter, _ *http.Request) { give(w, api.Reports{}) },
	})
	code, out, errs = ask(t, "top", "--rounds", "2", "--every", "100ms")
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "no answer: ")
	require.Contains(t, out, "1 of 1 nodes alive, nobody leads; 0 edges")
	_, _, errs = ask(t, "top", "--every", "1ms")
	require.Contains(t, errs, "--every 1ms: must be 100ms or more")
}

package server

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry/state"
)

func TestEligibilityIsAnOperatorsWord(t *testing.T) {
	f := newFixture(t)
	asked := func(node, body string) (status int, answer string) {
		status, _, answer = f.ask(t, "POST", "/v1/nodes/"+node+"/eligibility", body)
		return status, answer
	}
	status, answer := asked("n1", `{"ineligible":true}`)
	require.Equal(t, http.StatusServiceUnavailable, status, answer)
	require.Contains(t, answer, "level 6")
	apply(t, f.registry, state.Upgrade{Level: 6})
	status, answer = asked("n1", `{}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, answer, "ineligible is missing")
	status, answer = asked("n9", `{"ineligible":true}`)
	require.Equal(t, http.StatusNotFound, status, answer)

	for _, ineligible := range []string{"true", "true", "false", "false"} {
		status, answer = asked("n1", `{"ineligible":`+ineligible+`}`)
		require.Equal(t, http.StatusNoContent, status, answer)
		n, _ := f.registry.State().Node("n1")
		require.Equal(t, ineligible == "true", n.Ineligible)
		_, _, answer = f.ask(t, "GET", "/v1/nodes", "")
		var nodes []api.Node
		require.NoError(t, json.Unmarshal([]byte(answer), &nodes))
		require.Equal(t, n.Ineligible, nodes[0].Ineligible)
	}
}

// What stands as it is to be here may be what a leader that is none any more has last heard.
func TestADeposedLeaderSetsNothing(t *testing.T) {
	f := newFixture(t)
	apply(t, f.registry, state.Upgrade{Level: 6})
	f.registry.applyErr = api.ErrNoQuorum
	for path, body := range map[string]string{"eligibility": `{"ineligible":false}`, "drain": `{"drain":""}`} {
		status, _, answer := f.ask(t, "POST", "/v1/nodes/n1/"+path, body)
		require.Equal(t, http.StatusServiceUnavailable, status, answer)
	}
}

func TestANodeSaysWhatItLends(t *testing.T) {
	f := newFixture(t)
	const half = `{"node":"n1","incarnation":1,"memory":32768}`
	status, _, answer := f.ask(t, "POST", "/v1/internal/memory", half)
	require.Equal(t, http.StatusServiceUnavailable, status, answer)
	apply(t, f.registry, state.Upgrade{Level: 6})
	status, _, answer = f.ask(t, "POST", "/v1/internal/memory", half)
	require.Equal(t, http.StatusNoContent, status, answer)
	n, _ := f.registry.State().Node("n1")
	require.EqualValues(t, 32768, n.Memory)
	_, _, answer = f.ask(t, "POST", "/v1/internal/memory", `{"node":"n1","incarnation":7,"memory":1}`)
	require.Contains(t, answer, `"fenced"`)
}

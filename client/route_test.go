package client

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
)

// A node that does not answer goes to the end of the line, for longer each time, and back to its place once it does.
func TestUnansweringNodesAreAskedLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := newRoute("/socket", APIConfig{})
		require.NoError(t, err)
		r.learn([]string{"10.0.0.1:1", "10.0.0.2:1", "no address"})
		require.Len(t, r.order(), 3)
		require.Same(t, r.own, r.order()[0])
		for _, span := range []time.Duration{penaltyMin, 2 * penaltyMin, 4 * penaltyMin} {
			r.report(r.own, api.ErrUnavailable)
			require.Same(t, r.own, r.order()[2])
			time.Sleep(span)
			require.Same(t, r.own, r.order()[0])
		}
		r.report(r.own, api.ErrConflict) // an answer
		r.report(r.own, api.ErrUnknown)
		time.Sleep(penaltyMin)
		require.Same(t, r.own, r.order()[0])

		r.learn(nil) // somebody did not know
		require.Len(t, r.order(), 3)
		r.learn([]string{"10.0.0.2:1"})
		require.Len(t, r.order(), 2)
	})
}

// A stage is of the cluster that its node is of, also when that comes to be another's; other nodes are asked for that one.
func TestOthersAreAskedForTheOwnNodesCluster(t *testing.T) {
	r, err := newRoute("/socket", APIConfig{})
	require.NoError(t, err)
	defer r.close()
	r.learn([]string{"10.0.0.1:7400"})
	other := r.others["10.0.0.1:7400"]
	named := func(id string) http.Header { return http.Header{api.HeaderCluster: {id}} }
	for _, c := range []struct {
		status   int
		own      string
		expected string
	}{
		{http.StatusOK, "", ""}, // the node has just begun
		{http.StatusOK, "c", "c"},
		{http.StatusMisdirectedRequest, "x", "c"}, // somebody else's word
		{http.StatusOK, "", "c"},
		{http.StatusServiceUnavailable, "c.2", "c.2"},
	} {
		r.own.heard(c.status, named(c.own))
		other.heard(http.StatusOK, named("x"))
		require.Empty(t, r.own.cluster(), "it is asked whatever it is of")
		require.Equal(t, c.expected, other.cluster())
	}
	r.report(other, api.ErrCluster)
	require.Same(t, r.own, r.order()[0])
	require.True(t, elsewhere(api.ErrCluster))
}

func TestTheLeaderIsAskedFirst(t *testing.T) {
	r, err := newRoute("/socket", APIConfig{})
	require.NoError(t, err)
	defer r.close()
	r.learn([]string{"10.0.0.1:7400", "10.0.0.2:7400"})
	require.Same(t, r.own, r.leaderFirst()[0], "nobody has said who leads")
	r.own.leader("10.0.0.2:7400")
	leader := r.others["10.0.0.2:7400"]
	require.Same(t, leader, r.leaderFirst()[0])
	require.Same(t, r.own, r.leaderFirst()[1])
	require.Len(t, r.leaderFirst(), 3)
	require.Same(t, r.own, r.order()[0], "whoever can answer")
	r.report(leader, api.ErrUnavailable)
	require.Same(t, r.own, r.leaderFirst()[0])
	require.Same(t, leader, r.leaderFirst()[2])
	leader.leader("10.0.0.9:7400") // not one that we know: our own
	require.Same(t, r.own, r.leaderFirst()[0])
}

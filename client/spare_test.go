package client_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/fence"
)

// withSpares is a node that answers words about spares by a script, and has that history.
func withSpares(t *testing.T, past []api.Change, script ...func(http.ResponseWriter)) (*[]api.SpareRequest, *client.Client) {
	own, socket := onSocket(t)
	var asked []api.SpareRequest
	own.mux.HandleFunc("POST /v1/spares", func(w http.ResponseWriter, r *http.Request) {
		var q api.SpareRequest
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			refuse(w, api.KindInvalid)
			return
		}
		asked = append(asked, q) // one is asked after the other
		script[min(len(asked), len(script))-1](w)
	})
	own.mux.HandleFunc("GET /v1/edges/e/history", func(w http.ResponseWriter, _ *http.Request) { give(w, past) })
	return &asked, dial(t, socket)
}

func TestChangeSpareResolvesUnknownOutcomes(t *testing.T) {
	asked, c := withSpares(t, nil, kind(api.KindNoQuorum), hangUp, kind(api.KindUnknown), applied)
	e, err := c.ChangeSpare(t.Context(), api.SpareRequest{Name: "e", Expect: 5, Arm: true})
	require.NoError(t, err)
	require.EqualValues(t, 2, e.Generation)
	require.Len(t, *asked, 4)
	for _, q := range *asked {
		require.Equal(t, (*asked)[0], q)
		require.NotEmpty(t, q.OpID)
		require.EqualValues(t, "session-1", q.Session)
		require.Equal(t, api.ReasonSpareArmed, q.Reason)
	}
}

func TestChangeSpareReturnsTheRegistrysAnswer(t *testing.T) {
	for k, want := range map[api.Kind]error{
		api.KindConflict: api.ErrConflict, api.KindNoRoom: api.ErrNoRoom, api.KindFenced: fence.ErrFenced, api.KindSession: api.ErrSessionLost,
		api.KindNotFound: api.ErrNotFound,
	} {
		asked, c := withSpares(t, nil, kind(k))
		_, err := c.ChangeSpare(t.Context(), api.SpareRequest{Name: "e", Confirm: 3})
		require.ErrorIs(t, err, want)
		require.Len(t, *asked, 1)
	}
}

// A conflict is not the outcome of an earlier copy: the history tells whether that one was carried out.
func TestAConflictIsNotTheOutcomeOfAnEarlierWord(t *testing.T) {
	armed := api.Change{Revision: 5, Generation: 2, Spare: 3}
	moved := api.Change{Revision: 7, Generation: 3, Actor: "session-1"}
	taken := api.Change{Revision: 8, Generation: 4, Actor: "session-2"}
	confirm, arm := api.SpareRequest{Name: "e", Confirm: 3}, api.SpareRequest{Name: "e", Expect: 5, Arm: true}
	for name, tc := range map[string]struct {
		r       api.SpareRequest
		past    []api.Change
		unknown bool
	}{
		"the move was confirmed": {confirm, []api.Change{armed, moved, taken}, true},
		"it was not":             {confirm, []api.Change{armed, taken}, false},
		"too long ago":           {confirm, []api.Change{taken}, true},
		"it was armed":           {arm, []api.Change{armed, {Revision: 7, Spare: 4, Actor: "session-1", Reason: api.ReasonSpareArmed}, taken}, true},
		"somebody was faster":    {arm, []api.Change{armed, taken}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := withSpares(t, tc.past, hangUp, kind(api.KindConflict))
			_, err := c.ChangeSpare(t.Context(), tc.r)
			require.ErrorIs(t, err, api.ErrConflict)
			require.Equal(t, tc.unknown, api.ErrorOf(err).Kind == api.KindUnknown, "%v", err)
		})
	}
}

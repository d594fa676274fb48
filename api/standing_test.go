package api_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/lease"
)

func TestStandingOf(t *testing.T) {
	e := api.Edge{Name: "e", Producer: api.Side{Session: "p"}, Consumer: api.Side{Session: "c"}}
	free := e
	free.Consumer = api.Side{Stage: "gone"}
	began := time.Unix(1_700_000_000, 0)
	says := func(role fabric.Role, session lease.SessionID, s api.EdgeState, retained uint64) api.SideReport {
		return api.SideReport{Session: session, EdgeReport: api.EdgeReport{Edge: "e", Role: role, State: s, Since: began, Retained: retained, Lag: time.Second}}
	}
	const producer, consumer = fabric.RoleProducer, fabric.RoleConsumer
	for name, c := range map[string]struct {
		e     api.Edge
		sides []api.SideReport
		want  api.EdgeState
		items uint64
	}{
		"nobody has said":        {e, nil, "", 0},
		"both flow":              {e, []api.SideReport{says(producer, "p", api.StateFlowing, 3), says(consumer, "c", api.StateFlowing, 9)}, api.StateFlowing, 3},
		"the worse of two":       {e, []api.SideReport{says(producer, "p", api.StateFlowing, 3), says(consumer, "c", api.StateRebinding, 0)}, api.StateRebinding, 3},
		"one has not said":       {e, []api.SideReport{says(consumer, "c", api.StateStalled, 3)}, api.StateStalled, 0},
		"a former holder":        {e, []api.SideReport{says(producer, "old", api.StateRelocating, 8), says(consumer, "c", api.StateFlowing, 0)}, api.StateFlowing, 0},
		"another edge":           {api.Edge{Name: "f", Producer: e.Producer, Consumer: e.Consumer}, []api.SideReport{says(producer, "p", api.StateFlowing, 3)}, "", 0},
		"neither takes":          {e, []api.SideReport{says(producer, "p", api.StateStalled, 3), says(consumer, "c", api.StateFlowing, 0)}, api.StateStalled, 3},
		"it takes, and acks not": {e, []api.SideReport{says(producer, "p", api.StateStalled, 3), says(consumer, "c", api.StateFlowing, 3)}, api.StateFlowing, 3},
		"a role is free":         {free, []api.SideReport{says(producer, "p", api.StateFlowing, 3)}, api.StateFilling, 3},
		"and the ring is lost":   {free, []api.SideReport{says(producer, "p", api.StateRelocating, 3)}, api.StateRelocating, 3},
		"nobody is there":        {api.Edge{Name: "e"}, []api.SideReport{says(producer, "old", api.StateFlowing, 3)}, api.StateFilling, 0},
	} {
		s := api.StandingOf(c.e, c.sides)
		require.Equal(t, c.want, s.State, name)
		require.Equal(t, c.items, s.Items, name)
		require.Equal(t, c.want == "" || c.want == api.StateFilling, s.Since.IsZero(), name)
	}
}

func TestPhasesAddUp(t *testing.T) {
	r := api.Rewire{Decided: 1, Attached: 3, Resumed: 7, First: 15}
	require.Equal(t, []api.Phase{{"decided", 1}, {"attached", 2}, {"resumed", 4}, {"first", 8}}, r.Phases())
	r.First = -1
	require.Len(t, r.Phases(), 3)
}

package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
)

func TestWatchFlags(t *testing.T) {
	q, err := watchFlags{node: "n", kinds: []string{"edge", "lease"}, all: true, from: 7}.request([]string{"p."})
	require.NoError(t, err)
	require.Equal(t, api.WatchRequest{
		Prefix: "p.", Node: "n", Kinds: []api.RecordKind{api.RecordEdge, api.RecordLease}, Mode: api.WatchAll, From: 7,
	}, q)
	for _, f := range []watchFlags{{prefix: "q."}, {kinds: []string{"edges"}}} {
		_, err := f.request([]string{"p."})
		require.True(t, errors.As(err, new(usageError)), "%v", err)
	}
}

func TestEventsAreShownInALine(t *testing.T) {
	for want, e := range map[string]api.Event{
		"e  deleted": {Type: api.EventChange, Deleted: true, Edge: &api.Edge{Name: "e", Deleted: true}},
		"e  generation 2 on n1  - -> -  requested": {Type: api.EventChange, Edge: &api.Edge{Name: "e", Generation: 2,
			Reason: api.ReasonRequested}},
		"e  generation 2 on n1  spare n2/3  - -> -  spare-armed": {Type: api.EventChange, Edge: &api.Edge{Name: "e", Generation: 2,
			Spare: &api.Spare{Generation: 3, Locator: locator.Locator{Node: "n2"}}, Reason: api.ReasonSpareArmed}},
		"node n1  one at 127.0.0.1:7400  incarnation 3": {Node: &api.Node{ID: "n1", Name: "one", Address: "127.0.0.1:7400", Incarnation: 3}},
		"node n1  forgotten":                            {Deleted: true, Node: &api.Node{ID: "n1"}},
		"lease l1  e on n1  released":                   {Deleted: true, Lease: &api.Lease{ID: "l1", Edge: "e", Node: "n1", Status: "released"}},
		"session s1  of parse on n1":                    {Session: &api.Session{ID: "s1", Stage: "parse", Node: "n1"}},
		"session s1  of parse on n1  ended":             {Deleted: true, Session: &api.Session{ID: "s1", Stage: "parse", Node: "n1"}},
		"":                                              {Type: api.EventBookmark},
	} {
		if e.Edge != nil {
			e.Edge.Locator.Node = "n1"
		}
		_, got := eventText(e)
		require.Equal(t, want, got)
	}
}

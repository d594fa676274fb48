package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/locator"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.Local)

// seen is what a cluster of two nodes, one of which is away, says of an edge that has moved to its spare.
func seen(t *testing.T) {
	e := api.Edge{
		Name: "log.parse", Generation: 4, Locator: locator.Locator{Kind: locator.Queue, Node: "node-one-id", Arena: "ring4", Address: "10.0.0.1:7400", Zone: "a", Bytes: 1 << 20}, Capacity: 1 << 20,
		Producer: api.Side{Stage: "parse", Session: "session-p", Node: "node-one-id", Epoch: 2}, Consumer: api.Side{Stage: "store", Session: "session-c", Node: "node-two-id", Epoch: 3},
		Revision: 74, Changed: noon, Reason: api.ReasonMoved,
	}
	changes := []api.Change{
		{Revision: 70, Generation: 3, Node: "node-two-id", Spare: 4, Reason: api.ReasonTakeover, Actor: "session-c", Time: noon.Add(-time.Minute)},
		{Revision: 74, Generation: 4, Node: "node-one-id", Spare: 5, Reason: api.ReasonMoved, Actor: "session-p", Detail: "disconnected", Time: noon},
		{Revision: 75, Generation: 4, Node: "node-one-id", Reason: api.ReasonSpareLost, Time: noon.Add(time.Second)},
	}
	reports := api.Reports{
		Sides: []api.SideReport{{Stage: "parse", Session: "session-p", Node: "node-one-id", Age: 400 * time.Millisecond, EdgeReport: api.EdgeReport{
			Edge: "log.parse", Role: fabric.RoleProducer, State: api.StateStalled, Since: noon, Generation: 4, Retained: 61, RetainBytes: 4096, Lag: 2150 * time.Microsecond,
		}}},
		Traces: []api.Trace{
			{Edge: "log.parse", Role: fabric.RoleProducer, Stage: "parse", Rewire: api.Rewire{From: 3, Generation: 4, Reason: api.ReasonRingLost, Spare: true, Rings: 1,
				Noticed: noon, Decided: 21 * time.Microsecond, Attached: 21 * time.Microsecond, Resumed: 1850 * time.Microsecond, First: 2 * time.Second}},
			{Edge: "log.parse", Role: fabric.RoleProducer, Stage: "parse", Rewire: api.Rewire{From: 4, Generation: 6, Reason: api.ReasonRingLost, Rings: 2,
				Noticed: noon.Add(time.Second), First: -1}},
			{Edge: "log.parse", Role: fabric.RoleProducer, Stage: "parse", Rewire: api.Rewire{From: 1, Generation: 2}}, // of which the history has nothing any more
		},
		Unheard: []api.Unheard{{Node: "node-two-id", Name: "two", Why: "gossip says dead"}},
	}
	played(t, map[string]http.HandlerFunc{
		"GET /v1/edges":                   func(w http.ResponseWriter, _ *http.Request) { give(w, []api.Edge{e}) },
		"GET /v1/edges/log.parse":         func(w http.ResponseWriter, _ *http.Request) { give(w, e) },
		"GET /v1/edges/log.parse/history": func(w http.ResponseWriter, _ *http.Request) { give(w, changes) },
		"GET /v1/reports": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("traces") != "true" {
				reports.Traces = nil
			}
			give(w, reports)
		},
	})
}

const unheard = "not heard: node two (node-two): gossip says dead; what its stages have reported is missing\n"

func TestHistoryHasTheRewiresBesideTheirChanges(t *testing.T) {
	seen(t)
	code, out, errs := ask(t, "edge", "history", "log.parse")
	require.Equal(t, exitOK, code, errs)
	require.Equal(t, unheard, errs)
	require.Equal(t, strings.Join([]string{
		"REVISION  GENERATION  NODE      SPARE  REASON          BY SESSION  AT                       DETAIL",
		"70        3           node-two  4      takeover        session-    2026-05-01 11:59:00.000  -",
		"74        4           node-one  5      moved-to-spare  session-    2026-05-01 12:00:00.000  disconnected",
		"    producer parse: noticed 12:00:00.000 (ring-lost), decided +21µs, attached +21µs, resumed +1.85ms, first item +2s: generation 3 to 4, the spare",
		"    producer parse: noticed 12:00:01.000 (ring-lost), decided +0µs, attached +0µs, resumed +0µs, left again before a new item came: generation 4 to 6, the 2. that was tried",
		"75        4           node-one  -      spare-lost      -           2026-05-01 12:00:01.000  -",
		"",
	}, "\n"), out)

	code, out, _ = ask(t, "edge", "history", "log.parse", "--json")
	require.Equal(t, exitOK, code)
	var changes []followedChange
	require.NoError(t, json.Unmarshal([]byte(out), &changes))
	require.Len(t, changes, 3)
	require.Len(t, changes[1].Rewires, 2)
	require.EqualValues(t, 74, changes[1].Revision)
	require.EqualValues(t, 3, changes[1].Rewires[0].From)
}

func TestEdgesAreShownAsTheyStand(t *testing.T) {
	seen(t)
	code, out, errs := ask(t, "edge", "list")
	require.Equal(t, exitOK, code, errs)
	require.Equal(t, unheard, errs)
	require.Equal(t, strings.Join([]string{
		"EDGE       STATE                       LAG          GENERATION  NODE      ZONE  SPARE  PRODUCER  CONSUMER  REASON          CHANGED",
		"log.parse  stalled since 12:00:00.000  61 / 2.15ms  4           node-one  a     -      parse/2   store/3   moved-to-spare  2026-05-01 12:00:00.000",
		"",
	}, "\n"), out)
	code, out, errs = ask(t, "edge", "get", "log.parse")
	require.Equal(t, exitOK, code, errs)
	for _, line := range []string{
		"state       stalled\n", "lag         61 items (4 KiB) not acknowledged, 2.15ms\n", "pushing     stalled since 12:00:00.000 (", "), generation 4, 61 items retained; 400ms ago\n",
		"popping     -\n",
	} {
		require.Contains(t, out, line)
	}
	code, out, errs = ask(t, "edge", "get", "log.parse", "--json")
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, `"state": "stalled"`)
}

// An older node does not know of reports. The records are good without.
func TestEdgesOfAnOlderNode(t *testing.T) {
	played(t, map[string]http.HandlerFunc{
		"GET /v1/edges": func(w http.ResponseWriter, _ *http.Request) {
			give(w, []api.Edge{{Name: "e", Producer: api.Side{Session: "p"}, Consumer: api.Side{Session: "c"}}})
		},
		"GET /v1/reports": func(w http.ResponseWriter, _ *http.Request) { refuse(w, api.Errorf(api.KindNotFound, "no such route")) },
	})
	code, out, errs := ask(t, "edge", "list")
	require.Equal(t, exitOK, code)
	require.Contains(t, out, "e     -      -    0")
	require.Contains(t, errs, "how the edges stand is not known: ")
}

func TestTook(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"-": -1, "0µs": 0, "999µs": 999999, "1ms": time.Millisecond, "12.3ms": 12345678, "1.25s": 1250 * time.Millisecond, "1m0s": 60100 * time.Millisecond,
	} {
		require.Equal(t, want, took(d))
	}
}

package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/demo/internal/event"
	"github.com/grafnode/grafnode/demo/internal/plan"
	"github.com/grafnode/grafnode/demo/internal/report"
	"github.com/grafnode/grafnode/demo/internal/timeline"
	"github.com/grafnode/grafnode/examples/accesslog/check"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
)

const edge = "access-log.parse"

// sample is the report of a made-up run: 30 s at 400 items/s, a kill every 5 s, each tearing a gap but the leader's.
func sample() report.Report {
	start := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	t := timeline.New(start, edge)
	t.Add(event.Event{At: start, Kind: event.Changed, Edge: edge, Generation: 1})
	quietUntil := 0
	for ms := 1000; ms < 30_000; ms += 20 {
		if i := ms/5000 - 1; i >= 0 && ms%5000 == 0 {
			what := plan.Default[i]
			quietUntil = ms + 100*(i+1)
			if what == plan.Leader {
				quietUntil = 0
			}
			for _, e := range kill(what, fence.Epoch(i+2), at(ms)) {
				t.Add(e)
			}
		}
		if ms >= quietUntil {
			t.Add(event.Event{At: at(ms), Kind: event.Committed, Items: uint64(6 + ms/20%5), Line: uint64(ms)})
		}
	}
	run := report.Run{Version: "v0.1.0", Input: "access.log", Seed: 7, Nodes: 3, Rate: 400, Took: 30 * time.Second}
	return report.New(run, check.Result{Lines: 10_000, Stored: 9999, DeadLettered: 1}, t)
}

// kill is a kill and what follows from it.
func kill(what plan.What, gen fence.Epoch, at time.Time) []event.Event {
	e := event.Event{At: at, Kind: event.Killed, What: string(what), Process: string(what) + "-1", Edge: edge}
	if what == plan.Leader {
		e.Edge = ""
		return []event.Event{e, {At: at.Add(260 * time.Millisecond), Kind: event.Leading, Process: "node-2"}}
	}
	return []event.Event{
		e,
		{At: at.Add(4 * time.Millisecond), Kind: event.Lost, Edge: edge},
		{At: at.Add(70 * time.Millisecond), Kind: event.Changed, Edge: edge, Generation: gen},
		{Kind: event.Rewired, Process: "parse-1", Edge: edge, Role: fabric.RoleProducer, Rewire: &api.Rewire{
			Generation: gen, Reason: api.ReasonRingLost, Spare: true, Noticed: at.Add(4 * time.Millisecond),
			Decided: 20 * time.Microsecond, Attached: 20 * time.Microsecond, Resumed: 1500 * time.Microsecond, First: -1,
		}},
		{At: at.Add(1090 * time.Millisecond), Kind: event.FirstItem, Edge: edge, Role: fabric.RoleConsumer, Generation: gen},
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, sample().JSON(&b))
	var got map[string]any
	require.NoError(t, json.Unmarshal(b.Bytes(), &got))
	for key, want := range map[string]any{
		"input_lines": 10_000.0, "stored": 9999.0, "dead_lettered": 1.0, "repeats_dropped": 0.0, "lost": 0.0, "doubled": 0.0,
		"generated": false, "seed": 7.0, "seconds": 30.0,
	} {
		require.Equal(t, want, got[key], key)
	}
	failures := got["failures"].([]any)
	require.Len(t, failures, len(plan.Default))
	require.Equal(t, map[string]any{
		"what": "ring-node", "target": "ring-node-1", "edge": edge, "at_seconds": 5.0, "detected_ms": 4.0,
		"generation_ms": 70.0, "first_new_item_ms": 1090.0, "sink_gap_ms": 120.0, "sink_gap_from_seconds": 4.98,
		"rewires": []any{map[string]any{
			"edge": edge, "role": "producer", "process": "parse-1", "generation": 2.0, "reason": "ring-lost", "spare": true, "noticed_ms": 4.0,
			"decided_ms": 0.02, "attached_ms": 0.02, "resumed_ms": 1.5, "first_new_item_ms": nil,
		}},
	}, failures[0])
	leader := failures[3].(map[string]any)
	require.Equal(t, 260.0, leader["detected_ms"])
	require.Nil(t, leader["generation_ms"])
	require.Equal(t, 20.0, leader["sink_gap_ms"])
}

func TestJSONOfNothing(t *testing.T) {
	var b bytes.Buffer
	r := report.New(report.Run{}, check.Result{}, timeline.New(time.Now()))
	require.NoError(t, r.JSON(&b))
	require.Contains(t, b.String(), `"failures": []`)
	require.NoError(t, r.HTML(&b))
	require.NoError(t, r.Text(&b))
}

func TestHTML(t *testing.T) {
	r := sample()
	r.Input = "<script>alert(1)</script>"
	r.Lost = 3
	var b bytes.Buffer
	require.NoError(t, r.HTML(&b))
	text := b.String()
	require.NotContains(t, text, "<script")
	require.NotContains(t, text, "http", "the page needs nothing from elsewhere")
	require.Contains(t, text, "3 lost, 0 doubled, 0 wrong")
	require.Contains(t, text, "prefers-color-scheme: dark")
	require.Contains(t, text, "How the edges followed")
	require.Equal(t, len(plan.Default), strings.Count(text, `class="mark"`))
	require.Equal(t, len(plan.Default), strings.Count(text, `fill="var(--gap)"`))

	svg := text[strings.Index(text, "<svg") : strings.Index(text, "</svg>")+len("</svg>")]
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	r := sample()
	r.NotReached = []string{"store"}
	require.NoError(t, r.Text(&b))
	require.Contains(t, b.String(), "10000 lines in 30.0 s: 9999 stored, 1 dead letters, 0 repeats dropped, 0 lost, 0 doubled\n")
	require.Contains(t, b.String(), "ring-node")
	require.Contains(t, b.String(), "1.09 s")
	require.Equal(t, 1, strings.Count(b.String(), "rewires after"))
	require.Contains(t, b.String(), "ring-node      access-log.parse  parse-1  spare 2  4.0 ms   +0.02 ms  +0.02 ms  +1.5 ms  –\n")
	require.Contains(t, b.String(), "the input ended before")
}

func TestSave(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	page, err := sample().Save(dir)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "report.html"), page)
	for _, name := range []string{"report.json", "report.html"} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NotZero(t, info.Size())
	}
	_, err = sample().Save(page)
	require.Error(t, err, "a file is in the way")
}

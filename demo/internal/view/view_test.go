package view

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/demo/internal/event"
	"github.com/grafnode/grafnode/demo/internal/timeline"
	"github.com/grafnode/grafnode/fabric"
)

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return start.Add(d) }

// halfway is a run with half of its input done.
func halfway() *timeline.Timeline {
	t := timeline.New(start, "log.parse", "log.enrich")
	for _, e := range []event.Event{
		{At: after(0), Kind: event.Changed, Edge: "log.parse", Generation: 6, Node: "node-2", Cause: string(api.ReasonCreated)},
		{At: after(0), Kind: event.Leading, Process: "node-3"},
		{At: after(0), Kind: event.Counted, Process: "p", Edges: []api.EdgeReport{{Edge: "log.parse", Role: fabric.RoleConsumer}}},
		{At: after(time.Second), Kind: event.Counted, Process: "p",
			Edges: []api.EdgeReport{{Edge: "log.parse", Role: fabric.RoleConsumer, Items: 400, Repeats: 3}}},
		{At: after(time.Second), Kind: event.Committed, Items: 50, Line: 50},
	} {
		t.Add(e)
	}
	return t
}

func TestPlainLines(t *testing.T) {
	var out bytes.Buffer
	v := New(&out, halfway(), 100)
	v.Event(event.Event{At: after(1500 * time.Millisecond), Kind: event.Killed, Process: "node-1", What: "ring-node", Edge: "log.parse"})
	v.Event(event.Event{At: after(1500 * time.Millisecond), Kind: event.Counted})
	v.Frame(after(1600 * time.Millisecond))
	v.Frame(after(2 * time.Second))
	v.Frame(after(2100 * time.Millisecond))
	v.Close()
	require.Equal(t, ""+
		"  1.500 s  killed      node-1 (ring-node), which log.parse needs\n"+
		"  2.000 s   50 %        line 50 of 100; log.parse 400/s generation 6 on node-2; log.enrich 0/s generation 0 on -\n",
		out.String())
}

func TestDetectionIsNamed(t *testing.T) {
	var out bytes.Buffer
	tl := halfway()
	v := New(&out, tl, 100)
	for _, e := range []event.Event{
		{At: after(2 * time.Second), Kind: event.Killed, Process: "node-2", What: "ring-node", Edge: "log.parse"},
		{At: after(2010 * time.Millisecond), Kind: event.Lost, Process: "parse", Edge: "log.parse", Cause: "reset"},
		{At: after(2020 * time.Millisecond), Kind: event.Lost, Process: "enrich", Edge: "log.parse", Cause: "moved"},
	} {
		tl.Add(e)
		v.Event(e)
	}
	require.Equal(t, ""+
		"  2.000 s  killed      node-2 (ring-node), which log.parse needs\n"+
		"  2.010 s  detected    ring lost: log.parse of parse: reset\n"+
		"  2.020 s  ring lost   log.parse of enrich: moved\n", out.String())
}

func TestWords(t *testing.T) {
	for want, e := range map[string]event.Event{
		"finished|ingest":                         {Kind: event.Exited, Process: "ingest"},
		"gone|store: signal: killed":              {Kind: event.Exited, Process: "store", Cause: "signal: killed"},
		"ready|node-1":                            {Kind: event.Ready, Process: "node-1"},
		"leader|none":                             {Kind: event.Leading},
		"ring lost|e of parse: y: z":              {Kind: event.Lost, Process: "parse", Edge: "e", Cause: "x: y: z"},
		"claimed|consumer of e by parse, epoch 3": {Kind: event.Claimed, Process: "parse", Edge: "e", Role: fabric.RoleConsumer, Generation: 3},
		"flowing|e, generation 3: first new item at parse": {Kind: event.FirstItem, Process: "parse", Edge: "e",
			Role: fabric.RoleConsumer, Generation: 3},
		"taken over|e, generation 3, ring on n": {Kind: event.Changed, Edge: "e", Generation: 3, Node: "n", Cause: "takeover"},
		"role free|e: its process has gone": {Kind: event.Changed, Edge: "e", Generation: 3, Node: "n",
			Cause: "session-ended"},
		"relocated|e, generation 3, ring on n (ring-lost)": {Kind: event.Changed, Edge: "e", Generation: 3, Node: "n",
			Cause: "ring-lost"},
	} {
		what, rest, ok := words(e)
		require.True(t, ok, want)
		require.Equal(t, want, what+"|"+rest)
	}
	for _, e := range []event.Event{{Kind: event.Counted}, {Kind: event.Committed}, {Kind: event.FirstItem, Role: fabric.RoleProducer}} {
		_, _, ok := words(e)
		require.False(t, ok)
	}
}

// screen is as much of a terminal as the view needs: lines, and "up n, clear from here".
func screen(t *testing.T, out string) []string {
	t.Helper()
	var lines []string
	for len(out) > 0 {
		if rest, ok := strings.CutPrefix(out, "\x1b["); ok {
			n, tail, _ := strings.Cut(rest, "A\x1b[J")
			up := 0
			for _, c := range n {
				up = up*10 + int(c-'0')
			}
			require.LessOrEqual(t, up, len(lines))
			lines, out = lines[:len(lines)-up], tail
			continue
		}
		line, tail, _ := strings.Cut(out, "\n")
		lines, out = append(lines, line), tail
	}
	return lines
}

func TestTerminal(t *testing.T) {
	var out bytes.Buffer
	v := New(&out, halfway(), 100)
	v.width = func() int { return 60 }
	v.Frame(after(time.Second))
	v.Event(event.Event{At: after(time.Second), Kind: event.Lost, Process: "parse", Edge: "log.parse",
		Cause: "a cause that is long and has a line\nbreak in it, and more than fits"})
	v.Frame(after(time.Second))
	v.Frame(after(1100 * time.Millisecond))
	require.Equal(t, []string{
		"  1.000 s  ring lost   log.parse of parse: a cause that is…",
		"",
		"  " + strings.Repeat("█", 13) + strings.Repeat("░", 14) + "  50 %  line 50 of 100  1.1 s",
		"",
		"  edge                    items/s  generation  ring on",
		"  log.parse                   400           6  node-2",
		"  log.enrich                    0           -  -",
		"  leader node-3, 0 kills, 3 repeats dropped",
	}, screen(t, out.String()))
	for _, line := range screen(t, out.String()) {
		require.Less(t, len([]rune(line)), 60)
	}
	v.Close()
	v.Close()
	require.Len(t, screen(t, out.String()), 1)
}

func TestNothingToDo(t *testing.T) {
	var out bytes.Buffer
	v := New(&out, timeline.New(start), 0)
	v.width = func() int { return 20 }
	v.Frame(after(0))
	require.Contains(t, out.String(), "100 %")
}

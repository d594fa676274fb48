package report

import (
	"math"
	"time"

	"github.com/grafnode/grafnode/demo/internal/timeline"
	"github.com/grafnode/grafnode/examples/accesslog/check"
)

// Report is the content of report.json. Fields may be added, not changed.
type Report struct {
	Version        string    `json:"version"`
	Input          string    `json:"input"`
	Generated      bool      `json:"generated"` // the input was made up from the seed
	Seed           uint64    `json:"seed"`
	Nodes          int       `json:"nodes"`
	Rate           float64   `json:"rate"` // lines per second that ingest was held to
	InputLines     uint64    `json:"input_lines"`
	Stored         uint64    `json:"stored"`
	DeadLettered   uint64    `json:"dead_lettered"`
	RepeatsDropped uint64    `json:"repeats_dropped"` // by the edges' own counters
	Lost           uint64    `json:"lost"`
	Doubled        uint64    `json:"doubled"`
	Wrong          uint64    `json:"wrong"` // lines whose row has other content than the line
	Findings       []string  `json:"findings,omitempty"`
	Seconds        float64   `json:"seconds"`
	Failures       []Failure `json:"failures"`
	NotReached     []string  `json:"not_reached,omitempty"` // kills that the input was too short for
	Throughput     []Sample  `json:"throughput"`
}

// Failure is one kill. Times are in milliseconds from the kill, null if there was nothing to measure: a leader whose loss moves
// no edge has no generation and no first item, for the edges flow on.
type Failure struct {
	What         string   `json:"what"`
	Target       string   `json:"target"`
	Edge         string   `json:"edge"`
	AtSeconds    float64  `json:"at_seconds"`
	Detected     *float64 `json:"detected_ms"`
	Generation   *float64 `json:"generation_ms"`
	FirstNewItem *float64 `json:"first_new_item_ms"`
	SinkGap      *float64 `json:"sink_gap_ms"` // the longest time between two commits of the store, until the next kill

	GapFromSeconds float64 `json:"sink_gap_from_seconds"` // where that gap lies

	Rewires []Rewire `json:"rewires,omitempty"`
}

// Rewire is how one side of an edge came from one ring to the next after a kill, in milliseconds: Noticed from the kill, the others from
// Noticed. First is null if that ring was lost too before anything new came.
type Rewire struct {
	Edge       string   `json:"edge"`
	Role       string   `json:"role"`
	Process    string   `json:"process"`
	Generation uint64   `json:"generation"` // of the ring in which it ended
	Reason     string   `json:"reason"`     // why the last one was left
	Spare      bool     `json:"spare"`      // it is the spare, which was open before
	Noticed    float64  `json:"noticed_ms"`
	Decided    float64  `json:"decided_ms"`
	Attached   float64  `json:"attached_ms"`
	Resumed    float64  `json:"resumed_ms"`
	First      *float64 `json:"first_new_item_ms"`
}

// Sample is one point of the throughput plot: what the store committed in the stretch that begins there.
type Sample struct {
	AtSeconds float64 `json:"at_seconds"`
	PerSecond float64 `json:"items_per_second"`
}

// Run is what is known of a run beside its events and its result.
type Run struct {
	Version    string
	Input      string
	Generated  bool
	Seed       uint64
	Nodes      int
	Rate       float64
	Took       time.Duration
	NotReached []string
}

// OK reports whether the store holds exactly what the input gives.
func (r Report) OK() bool { return r.Lost == 0 && r.Doubled == 0 && r.Wrong == 0 }

// New puts a report together.
func New(run Run, found check.Result, t *timeline.Timeline) Report {
	r := Report{
		Version: run.Version, Input: run.Input, Generated: run.Generated, Seed: run.Seed, Nodes: run.Nodes,
		Rate: round(run.Rate, 1), Seconds: round(run.Took.Seconds(), 3), NotReached: run.NotReached,
		InputLines: found.Lines, Stored: found.Stored, DeadLettered: found.DeadLettered,
		Lost: found.Lost, Doubled: found.Doubled, Wrong: found.Wrong, Findings: found.Findings,
		RepeatsDropped: t.Repeats(), Failures: []Failure{}, Throughput: []Sample{},
	}
	for _, f := range t.Failures() {
		r.Failures = append(r.Failures, failure(f, t.Start()))
	}
	step := plotStep(run.Took)
	for _, p := range t.Throughput(step) {
		r.Throughput = append(r.Throughput,
			Sample{round(p.From.Seconds(), 3), round(float64(p.Items)/step.Seconds(), 1)})
	}
	return r
}

func failure(f timeline.Failure, start time.Time) Failure {
	out := Failure{
		What: string(f.What), Target: f.Target, Edge: f.Edge, AtSeconds: round(f.Killed.Sub(start).Seconds(), 3),
		Detected: since(f.Killed, f.Detected), Generation: since(f.Killed, f.Moved),
		FirstNewItem: since(f.Killed, f.FirstNewItem), SinkGap: since(f.GapFrom, f.GapTo),
	}
	for _, r := range f.Rewires {
		out.Rewires = append(out.Rewires, rewire(r, f.Killed))
	}
	if out.SinkGap != nil {
		out.GapFromSeconds = round(f.GapFrom.Sub(start).Seconds(), 3)
	}
	return out
}

func rewire(r timeline.Rewire, killed time.Time) Rewire {
	ms := func(d time.Duration) float64 { return round(d.Seconds()*1000, 3) }
	out := Rewire{
		Edge: r.Edge, Role: string(r.Role), Process: r.Process, Generation: uint64(r.Generation), Reason: string(r.Reason), Spare: r.Spare,
		Noticed: ms(r.Noticed.Sub(killed)), Decided: ms(r.Decided), Attached: ms(r.Attached), Resumed: ms(r.Resumed),
	}
	if r.First >= 0 {
		first := ms(r.First)
		out.First = &first
	}
	return out
}

// since returns the milliseconds from one time to another, nil if that has not come.
func since(from, to time.Time) *float64 {
	if to.IsZero() {
		return nil
	}
	ms := round(to.Sub(from).Seconds()*1000, 1)
	return &ms
}

func round(v float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(v*scale) / scale
}

// plotStep returns the width of a sample: about 250 of them, of at least 100 ms.
func plotStep(took time.Duration) time.Duration {
	return max(took/250, 100*time.Millisecond).Round(10 * time.Millisecond)
}

package failover

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/grafnode/grafnode/internal/benchmark/failover/plan"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/version"
)

// Report is what a run found.
type Report struct {
	Rows    []Row
	Peer    *peer  // nil: none was measured
	LeftOut string // kinds that could not be tried, and why; empty: none
	Seed    uint64
	Machine string
	Hosts   string
	Loads   [2]string // load averages, at the beginning and at the end
	began   time.Time
	Took    time.Duration
}

// Row is a round and what came of it.
type Row struct {
	plan.Round
	outcome
}

func newReport(c Config, s *system) Report {
	r := Report{began: time.Now(), Seed: c.Seed, Machine: machine(), Hosts: "a network namespace for each node and its stages, joined by a bridge"}
	if s.net == nil {
		r.Hosts = "all on one host, by loopback: " + s.alone
	}
	r.Loads[0] = load()
	return r
}

// end notes how it stands at the end.
func (r *Report) end() { r.Loads[1], r.Took = load(), time.Since(r.began) }

// OK reports whether nothing was lost, doubled or missed.
func (r *Report) OK() bool {
	return !slices.ContainsFunc(r.Rows, func(row Row) bool {
		return row.Account.Lost+row.Account.Doubled > 0 || row.Missed > 0
	})
}

// Definitions says what the figures mean.
const Definitions = `first new: from the fault until the consumer takes, from a ring of a later generation, the first item that it had not taken before
(edge.Events.FirstItem). stored: until something that was pushed after the fault is committed at the sink. sink gap: the longest time
between two commits, from the last one before the fault to 50 ms after the first new item; at a rate, items are pushed once a
millisecond. quiet: the same of 100 ms before the fault. Times are of one clock, CLOCK_BOOTTIME, read by the processes that they are
of. A p99 of fewer than a hundred is the worst. missed: no new item within 10 s. false: the ring moved though nothing had happened.
slow: nodes that stages that were not killed gave up for their silence, though their hosts answered, and met again.
lost, doubled: of the round's items. sink gap of it: of the gaps, the longest that has a part between the producer's leaving of the old
ring and the first new item: what is beside it is the machine's.`

// Text writes the report for people.
func (r *Report) Text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CASE (ms)\tFAULTS\tFIRST NEW p50\tp99\tWORST\tTARGET\tSTORED p50\tp99\tSINK GAP p50\tp99\tWORST\tQUIET p50\tp99\tFALSE\tSLOW\tMISSED\tITEMS\tLOST\tDOUBLED")
	rows := r.Rows
	if r.Peer != nil {
		rows = append(slices.Clone(rows), r.Peer.row())
	}
	for _, row := range rows {
		f, s, g, q := row.First, row.Stored, row.Gap, row.Quiet
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\n", row.Case(), row.Runs,
			show(f.P50), show(f.P99), show(f.Worst), row.target(), row.stored(s.P50), row.stored(s.P99), show(g.P50), show(g.P99), show(g.Worst), row.quiet(q.P50), row.quiet(q.P99),
			row.Alarms, row.Slow, row.Missed, row.Pushed, row.Account.Lost, row.Account.Doubled)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nWhere the time goes: medians, ms from the fault (and from what came just before it)")
	for _, row := range r.Rows {
		fmt.Fprintf(w, "  %s: %s\n", row.Case(), row.trace())
	}
	r.compare(w)
	fmt.Fprintf(w, "\n%s\n\n", Definitions)
	if r.LeftOut != "" {
		fmt.Fprintln(w, r.LeftOut)
	}
	_, err := fmt.Fprintf(w, "seed %d; grafnode %s, %s; %s; %s; load %s at the beginning, %s at the end; %v\n", r.Seed, version.Release,
		runtime.Version(), r.Machine, r.Hosts, r.Loads[0], r.Loads[1], r.Took.Round(time.Second))
	return err
}

// compare says how much quicker ours is than the peer, where that is asked for.
func (r *Report) compare(w io.Writer) {
	if r.Peer == nil {
		return
	}
	theirs := r.Peer.row()
	if r.Peer.late != nil {
		fmt.Fprintf(w, "\n%s was given up after %d of its faults; the items of that round are not counted: %v\n", JetStream, len(r.Peer.samples), r.Peer.late)
	}
	fmt.Fprintf(w, "\nBeside %s (%s, %v items a second, publisher with acknowledgements, durable consumer), by what is stored:\n", JetStream,
		r.Peer.version, r.Peer.rate)
	for _, row := range r.Rows {
		if row.Times == 0 || row.Stored.P50 == 0 {
			continue
		}
		times := float64(theirs.Stored.P50) / float64(row.Stored.P50)
		fmt.Fprintf(w, "  %s: %s ms to %s ms, %.0f times quicker; wanted %.0f: %s\n", row.Case(), show(row.Stored.P50), show(theirs.Stored.P50), times,
			row.Times, met(times >= row.Times))
	}
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "NOT met"
}

// target says what was wanted, and whether it is there.
func (w Row) target() string {
	if w.P50 == 0 {
		return ""
	}
	p50, p99 := w.Met(w.Summary)
	of := ""
	if w.Pause {
		of = " gap"
	}
	return fmt.Sprintf("%s/%s%s: %s/%s", show(w.P50), show(w.P99), of, met(p50), met(p99))
}

// stored shows a time that means nothing while the old ring still works.
func (w Row) stored(d time.Duration) string {
	if w.Pause {
		return ""
	}
	return show(d)
}

// quiet shows a time that was not measured of a peer.
func (w Row) quiet(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return show(d)
}

// trace is the phases, and where the rings lay.
func (w Row) trace() string {
	var b strings.Builder
	for _, p := range w.Phases {
		fmt.Fprintf(&b, "%s %s (+%s), ", p.Name, show(p.At), show(p.After))
	}
	var places []string
	for place, n := range w.Places {
		places = append(places, fmt.Sprintf("%d on the %s", n, place))
	}
	slices.Sort(places)
	return fmt.Sprintf("%s; sink gap of it %s, worst %s; rings: %s", strings.TrimSuffix(b.String(), ", "), show(w.Rewire.P50), show(w.Rewire.Worst),
		strings.Join(places, ", "))
}

func show(d time.Duration) string { return figures.Round(float64(d) / milli) }

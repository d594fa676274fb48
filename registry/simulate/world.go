package simulate

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/grafnode/grafnode/registry/state"
)

// Config says what is simulated.
type Config struct {
	Seed   uint64
	Nodes  int  // 3 or 5; zero: by the seed
	Stages int  // stage programs; zero: 8
	Calm   bool // no faults beyond slow and lost messages
}

func (c Config) withDefaults() Config {
	if c.Nodes == 0 {
		c.Nodes = 3 + 2*int(c.Seed%2)
	}
	if c.Stages == 0 {
		c.Stages = 8
	}
	return c
}

// World is a cluster and all that happens to it. It is not safe for concurrent use.
type World struct {
	config Config
	rng    *rand.Rand
	now    time.Duration // true time; nobody inside knows it
	queue  queue
	serial uint64
	steps  uint64

	net      network
	machines []*machine
	nodes    []*node
	stages   []*stage
	judge    *judge
	kept     []*state.State // snapshots that operators have

	trace trace
	ids   uint64
	Stats Stats
}

// New returns a world in which nothing has happened yet.
func New(c Config) *World {
	c = c.withDefaults()
	w := &World{config: c, rng: rand.New(rand.NewPCG(c.Seed, 3))}
	w.judge = newJudge(w)
	w.net.init(c.Nodes)
	for i := range c.Nodes {
		m := &machine{w: w, id: i, address: fmt.Sprintf("10.0.0.%d:1", i)}
		m.boot()
		w.machines = append(w.machines, m)
		w.nodes = append(w.nodes, newNode(w, m))
	}
	w.found()
	for _, n := range w.nodes {
		n.start()
	}
	for i := range c.Stages {
		w.stages = append(w.stages, newStage(w, w.machines[i%c.Nodes], i))
	}
	for _, s := range w.stages {
		s.start()
	}
	w.trouble()
	return w
}

// found makes the first group: of all nodes, or of three while the others are to be taken in.
func (w *World) found() {
	founders := len(w.nodes)
	if w.chance(500) {
		founders = 3
	}
	for i, n := range w.nodes[:founders] {
		w.judge.group = append(w.judge.group, server{n.id, i, true})
	}
	for _, n := range w.nodes[:founders] {
		n.snap.group = members{servers: w.judge.group}
	}
}

// Run makes steps steps more, or as many as it takes until the judge objects.
func (w *World) Run(steps uint64) error {
	for until := w.steps + steps; w.steps < until && w.judge.verdict == nil; {
		e := w.queue.pop()
		w.now = e.at
		e.do()
	}
	return w.Err()
}

// Err returns the judge's objection, with the seed, the step and what came before it; nil if there is none.
func (w *World) Err() error {
	if w.judge.verdict == nil {
		return nil
	}
	return fmt.Errorf("seed %d, step %d, at %v: %w\n%s", w.config.Seed, w.steps, w.now, w.judge.verdict, w.trace.String())
}

// Steps returns how many steps were made.
func (w *World) Steps() uint64 { return w.steps }

// Now returns the true time.
func (w *World) Now() time.Duration { return w.now }

// Hash sums the trace up: two runs with the same hash were the same.
func (w *World) Hash() uint64 { return w.trace.hash }

func (w *World) plan(after time.Duration, do func()) {
	w.serial++
	w.queue.push(event{w.now + after, w.serial, do})
}

// every does something again and again.
func (w *World) every(low, high time.Duration, do func()) {
	w.plan(w.between(low, high), func() {
		do()
		w.every(low, high, do)
	})
}

// step counts one delivered event, and notes it.
func (w *World) step(what string, who, arg uint64) {
	w.steps++
	w.trace.note(line{w.now, what, who, arg})
}

func (w *World) between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rng.Int64N(int64(high-low)))
}

// chance is true in n of 1000 cases.
func (w *World) chance(n int) bool { return w.rng.IntN(1000) < n }

// id returns a name that was not given before.
func (w *World) id(kind string) string {
	w.ids++
	return fmt.Sprintf("%s%d", kind, w.ids)
}

// traceLen is how many steps a verdict shows.
const traceLen = 50

type line struct {
	at   time.Duration
	what string
	who  uint64
	arg  uint64
}

// trace remembers the last steps, and the sum of all.
type trace struct {
	hash uint64
	n    uint64
	last [traceLen]line
}

func (t *trace) note(l line) {
	h := t.hash ^ uint64(l.at)
	h = (h ^ l.who<<32 ^ l.arg) * 0x9e3779b97f4a7c15
	for i := range len(l.what) {
		h = (h ^ uint64(l.what[i])) * 0x100000001b3
	}
	t.hash = h ^ h>>29
	t.last[t.n%traceLen] = l
	t.n++
}

func (t *trace) String() string {
	var b strings.Builder
	for i := max(t.n, traceLen) - traceLen; i < t.n; i++ {
		l := t.last[i%traceLen]
		fmt.Fprintf(&b, "%8d %14v  %-22s %3d %d\n", i+1, l.at, l.what, l.who, l.arg)
	}
	return b.String()
}

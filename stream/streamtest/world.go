package streamtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafnode/grafnode/durable/durabletest"
	"github.com/grafnode/grafnode/edge/edgetest"
)

// Run runs play for each seed from 0 to runs-1, each time in a World of its own and in made-up time, as edgetest.Seeds says, where
// also stands how one seed is run again.
func Run(t *testing.T, runs int, play func(w *World)) {
	t.Helper()
	edgetest.Seeds(t, runs, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed)
		defer w.close()
		play(w)
	})
}

// Faults returns the failures that there are: those of edgetest.Faults, and those of commits to probed sinks.
func Faults() []edgetest.Fault { return slices.Concat(edgetest.Faults(), commitFaults) }

// World is one run: a cluster of three nodes, or of one, and what happens to it. What is wrong fails the test that it is.
type World struct {
	testing.TB
	Cluster *edgetest.Cluster

	seed     uint64
	begun    time.Time
	registry durabletest.Registry
	trouble  *edgetest.Trouble // nil: none
	mishaps  []edgetest.Fault  // of commits
	breaks   int               // of a hundred commits so many

	processes sync.WaitGroup

	mu       sync.Mutex
	r        *rand.Rand
	happened []string
	probes   map[string]*record
	behind   map[string][]string // sinks by checkpoint
}

func newWorld(t testing.TB, seed uint64) *World {
	w := &World{
		TB: t, Cluster: edgetest.New(), seed: seed, begun: time.Now(), mishaps: commitFaults,
		r: rand.New(rand.NewPCG(seed, 7)), probes: map[string]*record{}, behind: map[string][]string{},
	}
	w.Cluster.Judge(t.Errorf)
	w.Cluster.SetThrifty()
	w.Cluster.SetLocal(w.n(2) == 0)
	if w.n(3) == 0 {
		w.Cluster.SetNodes(1) // without spares
	}
	w.Cluster.SetPace(1+w.n(30), time.Duration(1+w.n(4))*time.Millisecond)
	w.breaks = []int{0, 5, 20}[w.n(3)]
	w.trouble = edgetest.NewTrouble(w.Cluster, seed)
	return w
}

// Only has only failures of these names happen, of those that Faults returns; without names, none.
func (w *World) Only(names ...string) {
	w.Helper()
	var cluster []string
	w.mishaps = nil
	for _, name := range names {
		named := func(f edgetest.Fault) bool { return f.Name == name }
		if i := slices.IndexFunc(commitFaults, named); i >= 0 {
			w.mishaps = append(w.mishaps, commitFaults[i])
			continue
		}
		if !slices.ContainsFunc(edgetest.Faults(), named) {
			w.Fatalf("no failure has the name %q: see streamtest.Faults", name)
		}
		cluster = append(cluster, name)
	}
	w.trouble = nil
	if len(cluster) > 0 {
		w.trouble = edgetest.NewTrouble(w.Cluster, w.seed, cluster...)
	}
}

// Seed returns what decides what happens in w.
func (w *World) Seed() uint64 { return w.seed }

func (w *World) close() {
	w.Cluster.Close()
	if w.Failed() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.Logf("what happened: %s", strings.Join(w.happened, "; "))
	}
}

// note keeps what has happened, for the log of a failure.
func (w *World) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.happened = append(w.happened, fmt.Sprintf("%v %s", time.Since(w.begun).Round(time.Microsecond), what))
}

// n returns a number below most.
func (w *World) n(most int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.r.IntN(most)
}

func (w *World) exp(mean time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(w.r.ExpFloat64() * float64(mean))
}

// vex has things happen for a while: now and then, which is when everybody waits for something, or between two steps of somebody.
func (w *World) vex(ctx context.Context) {
	if w.trouble == nil {
		return
	}
	defer w.trouble.Relent()
	gap := []time.Duration{5, 30, 200}[w.n(3)] * time.Millisecond
	for range w.n(30) {
		if w.n(2) == 0 {
			w.strikeAt(ctx, 1+w.n(100))
		} else if wait(ctx, w.exp(gap)) == nil {
			w.strike()
		}
	}
}

func (w *World) strike() {
	if what := w.trouble.Strike(); what != nil {
		w.note(strings.Join(what, " and "))
	}
}

// strikeAt strikes before so many more steps are taken, unless nobody takes as many for some time.
func (w *World) strikeAt(ctx context.Context, steps int) {
	struck := make(chan struct{})
	w.Cluster.AtStep(steps, func() {
		w.strike()
		close(struck)
	})
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	select {
	case <-struck:
	case <-ctx.Done():
		w.Cluster.AtStep(0, nil)
	}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

package simulate

import (
	"flag"
	"os"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "the seed to begin with")
	stepsFlag = flag.Uint64("steps", 400_000, "how many steps to make in all")
	eachFlag  = flag.Uint64("each", 80_000, "how many steps of one seed")
	forFlag   = flag.Duration("for", 0, "how long TestTorture runs")
)

// Half the time would go into collecting garbage, of which there is much and behind which there is little.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// TestWorld runs seed after seed until all steps are made. A failure names its seed, and -seed with it fails in the same step.
func TestWorld(t *testing.T) {
	var total uint64
	var met Stats
	if testing.Short() {
		*stepsFlag = min(*stepsFlag, 100_000) // there is no second goroutine to race with
	}
	began := time.Now()
	for seed := *seedFlag; total < *stepsFlag; seed++ {
		w := New(Config{Seed: seed})
		require.NoError(t, w.Run(min(*eachFlag, *stepsFlag-total)))
		total += w.Steps()
		met.add(w.Stats)
	}
	took := time.Since(began)
	t.Logf("met: %+v", met)
	t.Logf("%d steps in %v: %.0f a second", total, took, float64(total)/took.Seconds())
	if total < 400_000 {
		return
	}
	for what, count := range met.all() { // a run that meets nothing would find nothing
		if what == "Overtaken" && total < 2_000_000 { // six in a million steps
			continue
		}
		require.Positive(t, count, "no %s", what)
	}
}

// TestTorture runs seed after seed for as long as it is told, each as long as a million steps.
func TestTorture(t *testing.T) {
	if *forFlag == 0 {
		t.Skip("for how long? -args -for 1h")
	}
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) >> 16 // any will do; a failure says which
	}
	for began := time.Now(); time.Since(began) < *forFlag; seed++ {
		w := New(Config{Seed: seed, Stages: 4 + int(seed%16)})
		require.NoError(t, w.Run(1_000_000), "and with %d stages", 4+seed%16)
	}
}

func TestSameSeedSameTrace(t *testing.T) {
	const steps = 30_000
	run := func(seed uint64) *World {
		w := New(Config{Seed: seed})
		require.NoError(t, w.Run(steps))
		return w
	}
	for seed := range uint64(4) {
		a, b := run(seed), run(seed)
		require.Equal(t, a.Hash(), b.Hash(), "seed %d", seed)
		require.Equal(t, a.Stats, b.Stats)
		require.Equal(t, a.Now(), b.Now())
		require.NotEqual(t, a.Hash(), run(seed+100).Hash())
	}
}

func TestQueueIsInOrder(t *testing.T) {
	w := New(Config{Seed: 1})
	var q queue
	for serial := range uint64(5000) {
		q.push(event{at: w.between(0, time.Millisecond) / 1000, serial: serial})
	}
	last := q.pop()
	for len(q) > 0 {
		e := q.pop()
		require.True(t, last.before(&e))
		last = e
	}
}

// BenchmarkStep reports the steps that are made a second.
func BenchmarkStep(b *testing.B) {
	var total uint64
	began := time.Now()
	for seed := uint64(0); b.Loop(); seed++ {
		w := New(Config{Seed: seed})
		if err := w.Run(20_000); err != nil {
			b.Fatal(err)
		}
		total += w.Steps()
	}
	b.ReportMetric(float64(total)/time.Since(began).Seconds(), "steps/s")
}

package edgetest

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// Seeds runs run once for each seed from 0 to n-1, each time in a bubble of testing/synctest, where time is made up and passes only
// when everybody waits, and on as many cores as there are. GRAFNODE_RUNS in the environment says another n, GRAFNODE_FROM another first seed,
// GRAFNODE_SEED one seed that is run alone. A run that fails is the last of its core's, and logs the command that runs its seed again.
//
// A seed decides what happens and when. Which goroutine is the first of those that could run at the same instant, it does not, so a
// failure may take a few runs of its seed to come back.
func Seeds(t *testing.T, n int, run func(t *testing.T, seed uint64)) {
	t.Helper()
	again := commandFor(t)
	if seed, err := strconv.ParseUint(os.Getenv("GRAFNODE_SEED"), 10, 64); err == nil {
		synctest.Test(t, func(t *testing.T) { run(t, seed) })
		return
	}
	if runs, err := strconv.Atoi(os.Getenv("GRAFNODE_RUNS")); err == nil {
		n = runs
	}
	from, err := strconv.ParseUint(os.Getenv("GRAFNODE_FROM"), 10, 64)
	if err != nil {
		from = 0
	}
	var next atomic.Uint64
	next.Store(from)
	t.Run("seeds", func(t *testing.T) {
		for core := range runtime.GOMAXPROCS(0) {
			t.Run(strconv.Itoa(core), func(t *testing.T) {
				t.Parallel()
				for seed := next.Add(1) - 1; seed < from+uint64(n) && !t.Failed(); seed = next.Add(1) - 1 {
					synctest.Test(t, func(t *testing.T) {
						defer func() {
							if t.Failed() {
								t.Logf("seed %d; again: GRAFNODE_SEED=%d %s", seed, seed, again)
							}
						}()
						run(t, seed)
					})
				}
			})
		}
	})
}

// commandFor returns the command that runs the test that called Seeds, or streamtest.Run, by itself.
func commandFor(t *testing.T) string {
	test, _, _ := strings.Cut(t.Name(), "/")
	pkg := "."
	for skip := 1; ; skip++ {
		pc, _, _, ok := runtime.Caller(skip)
		if !ok {
			break
		}
		if name := runtime.FuncForPC(pc).Name(); strings.Contains(name, "."+test) {
			slash := strings.LastIndexByte(name, '/')
			dot := slash + 1 + strings.IndexByte(name[slash+1:], '.')
			pkg = strings.TrimSuffix(name[:dot], "_test")
		}
	}
	return "go test -count=20 -run '^" + test + "$' " + pkg
}

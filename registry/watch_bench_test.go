package registry_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry"
)

// BenchmarkWatchFanOut measures a change from its commit to the last of so many watchers in this process who are to be told
// of it, as lines. "shared" watchers all watch the edge that changes; of "apart" ones each watches an edge of its own, and ten
// watch that edge.
func BenchmarkWatchFanOut(b *testing.B) {
	for _, kind := range []string{"shared", "apart"} {
		for _, watchers := range []int{10, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", kind, watchers), func(b *testing.B) { fanOut(b, watchers, kind == "apart") })
		}
	}
}

func fanOut(b *testing.B, watchers int, apart bool) {
	c := newCluster(b, 1, func(cfg *registry.Config) { steady(cfg); cfg.Bookmark = api.BookmarkEvery * 3 / 4 })
	c.furnish("s1")
	m := c.leader()
	ctx, cancel := context.WithCancel(b.Context())
	told := make(chan time.Time, watchers)
	var watching, synced sync.WaitGroup
	interested := 0
	before := memory()
	for i := range watchers {
		q := api.WatchRequest{Prefix: "p.a"}
		if apart && i >= 10 {
			q.Prefix = fmt.Sprint("q.", i)
		} else {
			interested++
		}
		synced.Add(1)
		watching.Go(func() {
			for e, err := range m.Watch(ctx, q) {
				if err != nil {
					return
				}
				line, _ := e.Line()
				switch {
				case e.Type == api.EventSync:
					synced.Done()
				case e.Type == api.EventChange && len(line) > 0:
					told <- time.Now()
				}
			}
		})
	}
	synced.Wait()
	each := (memory() - before) / float64(watchers)
	var last api.Revision
	var lag time.Duration
	used := processor(b)
	for b.Loop() {
		r, err := m.Apply(c.within(), take("p.a", last, "s1"))
		require.NoError(b, err)
		last = r.Edges[0].Revision
		committed := time.Now()
		for range interested {
			if at := <-told; at.After(committed) {
				committed, lag = at, lag+at.Sub(committed)
			}
		}
	}
	b.ReportMetric(float64(lag.Microseconds())/float64(b.N), "µs-to-last")
	b.ReportMetric(each, "B/watcher")
	b.ReportMetric(float64((processor(b)-used).Microseconds())/float64(b.N*interested), "cpu-µs/told")
	cancel()
	watching.Wait()
}

// processor returns the processor time that this process has used: on a busy machine it says more than the clock.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// memory returns the bytes of heap and stacks in use.
func memory() float64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return float64(s.HeapInuse + s.StackInuse)
}

// BenchmarkWatchFanOutHTTP is the same over HTTP connections, which all end in this process: it pays both ends.
func BenchmarkWatchFanOutHTTP(b *testing.B) {
	for _, watchers := range []int{10, 1000, 4000} {
		b.Run(fmt.Sprint(watchers), func(b *testing.B) {
			c := newCluster(b, 1, func(cfg *registry.Config) { steady(cfg); cfg.Bookmark = api.BookmarkEvery * 3 / 4 })
			c.furnish("s1")
			m := c.leader()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				out := http.NewResponseController(w)
				for e, err := range m.Watch(r.Context(), api.WatchRequest{}) {
					line, _ := e.Line()
					if err != nil || len(line) == 0 {
						return
					}
					_ = out.SetWriteDeadline(time.Now().Add(10 * time.Second))
					if _, err := w.Write(line); err != nil || out.Flush() != nil {
						return
					}
				}
			}))
			defer server.Close()
			told := make(chan time.Time, watchers)
			var reading, synced sync.WaitGroup
			ctx, cancel := context.WithCancel(b.Context())
			before := memory()
			for range watchers {
				synced.Add(1)
				reading.Go(func() { readLines(ctx, server.URL, synced.Done, told) })
			}
			synced.Wait()
			each := (memory() - before) / float64(watchers)
			var last api.Revision
			var lag time.Duration
			used := processor(b)
			for b.Loop() {
				r, err := m.Apply(c.within(), take("p.a", last, "s1"))
				require.NoError(b, err)
				last = r.Edges[0].Revision
				committed := time.Now()
				for range watchers {
					if at := <-told; at.After(committed) {
						committed, lag = at, lag+at.Sub(committed)
					}
				}
			}
			b.ReportMetric(float64(lag.Microseconds())/float64(b.N), "µs-to-last")
			b.ReportMetric(each, "B/watcher-both-ends")
			b.ReportMetric(float64((processor(b)-used).Microseconds())/float64(b.N*watchers), "cpu-µs/told-both-ends")
			cancel()
			reading.Wait()
		})
	}
}

func readLines(ctx context.Context, url string, synced func(), told chan<- time.Time) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	r, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	b := make([]byte, 4096)
	for {
		n, err := resp.Body.Read(b)
		if err != nil {
			return
		}
		for line := range strings.Lines(string(b[:n])) {
			switch {
			case strings.HasPrefix(line, `{"type":"sync"`):
				synced()
			case strings.HasPrefix(line, `{"type":"change"`):
				told <- time.Now()
			}
		}
	}
}

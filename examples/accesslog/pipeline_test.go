package accesslog_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/durable/durabletest"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/examples/accesslog"
	"github.com/grafnode/grafnode/examples/accesslog/check"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/streamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// compare checks what a store has of an input.
func compare(t testing.TB, input []byte, store string) check.Result {
	t.Helper()
	r, err := check.Compare(context.Background(), bytes.NewReader(input), store)
	require.NoError(t, err)
	return r
}

func generated(t *testing.T, lines int) (text []byte, path string) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, accesslog.Generate(&b, 7, lines))
	path = filepath.Join(t.TempDir(), "access.log")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	return b.Bytes(), path
}

func cursors(r *durabletest.Registry) stream.Option {
	return stream.CheckpointIn(func(key string) durable.Store { return durable.NewRegister(r, key) })
}

func TestRun(t *testing.T) {
	text, path := generated(t, 3000)
	for name, text := range map[string][]byte{
		"generated": text, "empty": nil, "one line": []byte("x"), "blank lines": []byte("\n\r\n\n"),
		"a great size": []byte(`h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 99999999999999999999999 "-" "-"`),
		"NUL":          []byte("h - - [17/May/2015:10:05:03 +0000] \"GET /a\x00b HTTP/1.1\" 200 007 \"\x00\" \"a\x00\"\nde\x00ad\n"),
	} {
		require.NoError(t, os.WriteFile(path, text, 0o600))
		cluster := edgetest.New()
		defer cluster.Close()
		rows, last := 0, uint64(0)
		c := accesslog.Config{Input: path, Store: filepath.Join(t.TempDir(), "store.db"), Committed: func(n int, line uint64) {
			rows, last = rows+n, line
		}}
		require.NoError(t, accesslog.Run(context.Background(), cluster.Client("all"), c, nil, cursors(&durabletest.Registry{})), name)
		r := compare(t, text, c.Store)
		require.True(t, r.OK(), "%s: %v", name, r)
		require.EqualValues(t, r.Stored, rows, name)
		require.LessOrEqual(t, last, r.Lines, name)
	}
}

// TestRunThroughFailures runs each stage in a process of its own, and kills one after the other. A stage is run again
// however it ended, until ingest has finished: then everything is stored. One that finishes before may be needed again,
// because the end of the input has to pass it once more when the stage before it is killed.
func TestRunThroughFailures(t *testing.T) {
	text, path := generated(t, 3000)
	cluster, registry := edgetest.New(), &durabletest.Registry{}
	defer cluster.Close()
	commits := make(chan uint64, 10_000)
	c := accesslog.Config{Input: path, Store: filepath.Join(t.TempDir(), "store.db"), Rate: 3000,
		Committed: func(_ int, line uint64) { commits <- line }}

	over, end := context.WithCancel(context.Background())
	defer end()
	var kills sync.Map // by stage, of the running process
	var all sync.WaitGroup
	for _, stage := range accesslog.Stages {
		all.Go(func() {
			for n := 1; over.Err() == nil; n++ {
				ctx, cancel := context.WithCancel(over)
				process := cluster.Client(fmt.Sprintf("%s-%d", stage, n))
				kills.Store(stage, func() { process.Kill(); cancel() })
				err := accesslog.Run(ctx, process, c, []string{stage}, cursors(registry), stream.Drain(time.Millisecond))
				cancel()
				process.EndSession()
				if stage == accesslog.StageIngest && err == nil {
					end()
				}
			}
		})
	}
	var line uint64
	for i, stage := range append(accesslog.Stages, accesslog.Stages...) {
		for line <= uint64(i+1)*300 {
			line = <-commits
		}
		cluster.LoseRing(accesslog.EdgeParse)
		kill, _ := kills.Load(stage)
		kill.(func())()
	}
	all.Wait()
	r := compare(t, text, c.Store)
	require.True(t, r.OK(), "%v", r)
}

// The same with all that can happen to a cluster, by seed, in made-up time.
func TestRunWhateverHappens(t *testing.T) {
	text, path := generated(t, 300)
	streamtest.Run(t, 10, func(w *streamtest.World) {
		store := filepath.Join(w.TempDir(), "store.db")
		w.PlayStages(accesslog.Stages, func(ctx context.Context, cl edge.Cluster, stages []string) error {
			return accesslog.Run(ctx, cl, accesslog.Config{Input: path, Store: store}, stages)
		})
		r := compare(w, text, store)
		require.True(w, r.OK(), "%v", r)
	})
}

func TestRunRefuses(t *testing.T) {
	cluster := edgetest.New()
	defer cluster.Close()
	_, path := generated(t, 10)
	ctx := context.Background()
	err := accesslog.Run(ctx, cluster.Client("a"), accesslog.Config{Input: path, Store: t.TempDir()}, nil)
	require.ErrorContains(t, err, "sqlitedb")
	c := accesslog.Config{Input: filepath.Join(t.TempDir(), "none"), Store: filepath.Join(t.TempDir(), "db")}
	err = accesslog.Run(ctx, cluster.Client("b"), c, nil, cursors(&durabletest.Registry{}))
	require.ErrorIs(t, err, os.ErrNotExist)
}

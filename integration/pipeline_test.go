package integration

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	log "github.com/grafnode/grafnode/examples/accesslog"
	"github.com/grafnode/grafnode/examples/accesslog/check"
)

// pipeline is the access-log pipeline as four processes, kept running like by an init system, and what it is to store.
type pipeline struct {
	c      *cluster
	t      *testing.T
	bin    string
	input  string
	store  string
	lines  int
	stages map[string]*process

	mu       sync.Mutex
	finished bool          // no more restarts
	through  chan struct{} // closed when ingest has ended by itself
	keepers  sync.WaitGroup
}

// stageNodes says which node each stage is attached to: two share one, so that one edge has both its sides on one host.
var stageNodes = map[string]int{log.StageIngest: 0, log.StageParse: 0, log.StageEnrich: 1, log.StageStore: 2}

// newPipeline starts the pipeline on generated lines, at a rate that leaves time to break things.
func newPipeline(t *testing.T, c *cluster, lines int, rate float64) *pipeline {
	return newPipelineOf(t, c, accesslog, lines, rate)
}

// newPipelineOf is newPipeline with a program of another version.
func newPipelineOf(t *testing.T, c *cluster, bin string, lines int, rate float64) *pipeline {
	p := &pipeline{c: c, t: t, bin: bin, lines: lines, input: filepath.Join(c.dir, "access.log"), store: filepath.Join(c.dir, "store.db"),
		stages: map[string]*process{}, through: make(chan struct{})}
	f, err := os.Create(p.input)
	require.NoError(t, err)
	require.NoError(t, log.Generate(f, 7, lines))
	require.NoError(t, f.Close())
	for _, stage := range log.Stages {
		p.stages[stage] = p.add(stage, stage, rate)
	}
	t.Cleanup(p.stop)
	return p
}

// add starts a process of a stage on the stage's node and starts it again whenever it ends.
func (p *pipeline) add(name, stage string, rate float64) *process {
	return p.addOn(p.c.nodes[stageNodes[stage]], name, stage, rate)
}

func (p *pipeline) addOn(nd *node, name, stage string, rate float64) *process {
	proc := &process{t: p.t, name: name, log: filepath.Join(p.c.dir, name+".log"), bin: p.bin,
		args: []string{"-store", p.store, "-stage", stage, "-rate", fmt.Sprint(rate), p.input},
		env:  append([]string{"GRAFNODE_SOCKET=" + nd.socket}, p.c.env...)}
	if nd.host != nil {
		proc.enter(nd.host)
	}
	proc.start()
	p.keepers.Go(func() {
		for {
			err := proc.wait()
			if !p.goOn(proc, stage == log.StageIngest && err == nil) {
				return
			}
		}
	})
	return proc
}

// goOn starts a process again after its end, until the pipeline is through. It is through when ingest has ended by itself:
// everything is acknowledged then. A stage that ends by itself earlier is needed again if the one before it dies.
func (p *pipeline) goOn(proc *process, through bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if through && !p.finished {
		close(p.through)
	}
	p.finished = p.finished || through
	if !p.finished {
		proc.start()
	}
	return !p.finished
}

// replace ends a stage's process, which starts again as another program.
func (p *pipeline) replace(proc *process, bin string) {
	p.mu.Lock()
	proc.bin = bin
	p.mu.Unlock()
	proc.kill()
}

// stop ends all processes.
func (p *pipeline) stop() {
	p.mu.Lock()
	p.finished = true
	p.mu.Unlock()
	for _, proc := range p.stages {
		proc.kill()
		proc.tail()
	}
	p.keepers.Wait()
}

// stored returns how many lines have had their effect.
func (p *pipeline) stored(ctx context.Context) (n int) {
	db, err := sql.Open("sqlite", "file:"+p.store+"?mode=ro&_pragma=busy_timeout(5000)")
	require.NoError(p.t, err)
	defer db.Close()
	for _, table := range []string{"requests", "dead_letters"} {
		var rows int
		if err := db.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&rows); err != nil {
			return 0 // not made yet, or made at this moment
		}
		n += rows
	}
	return n
}

// flows waits until n more lines have been stored.
func (p *pipeline) flows(n int) {
	p.t.Helper()
	until := min(p.stored(p.t.Context())+n, p.lines)
	eventually(p.t, fmt.Sprintf("%d lines are stored", until), func(ctx context.Context) bool { return p.stored(ctx) >= until })
}

// finish waits until the pipeline is through and compares the store with the input.
func (p *pipeline) finish() {
	p.t.Helper()
	eventually(p.t, "all lines are stored", func(ctx context.Context) bool { return p.stored(ctx) >= p.lines })
	eventually(p.t, "ingest ends", func(context.Context) bool {
		select {
		case <-p.through:
			return true
		default:
			return false
		}
	})
	p.stop() // what has started again has nothing to do
	p.check()
}

// check reads the store back.
func (p *pipeline) check() {
	p.t.Helper()
	f, err := os.Open(p.input)
	require.NoError(p.t, err)
	defer f.Close()
	r, err := check.Compare(p.t.Context(), f, p.store)
	require.NoError(p.t, err)
	require.EqualValues(p.t, p.lines, r.Lines)
	require.Zero(p.t, r.Lost, "%+v", r)
	require.Zero(p.t, r.Doubled, "%+v", r)
	require.Zero(p.t, r.Wrong, "%+v", r)
	require.EqualValues(p.t, p.lines, r.Stored+r.DeadLettered, "%+v", r)
}

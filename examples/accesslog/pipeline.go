package accesslog

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/sqlsink/sqlitedb"
)

// The pipeline, its stages and its edges. An edge has the name of the stage that produces it.
const (
	Pipeline = "access-log"

	StageIngest = "ingest"
	StageParse  = "parse"
	StageEnrich = "enrich"
	StageStore  = "store"

	EdgeIngest = Pipeline + "." + StageIngest
	EdgeParse  = Pipeline + "." + StageParse
	EdgeEnrich = Pipeline + "." + StageEnrich
)

// Stages are the names of the stages, in the order in which items pass them.
var Stages = []string{StageIngest, StageParse, StageEnrich, StageStore}

// capacity is the size of the edges' rings: a quarter takes the row of the longest line, whose path stands in it twice.
const capacity = 4 << 20

// A commit of the store: many rows share one flush to the disk, none waits long for others.
const (
	batchRows = 500
	batchWait = 20 * time.Millisecond
)

// Config says what the pipeline reads and where it stores.
type Config struct {
	Input string  // path of the access log; it must not change
	Store string  // path of the SQLite database; made if it is missing
	Rate  float64 // lines per second that ingest is held to; zero: as fast as the pipeline takes them

	// Committed, if set, is told of each commit of the store: how many rows, and up to which line of the input.
	Committed func(rows int, line uint64)
}

// Run runs the named stages of the pipeline in this process, all of them if none is named, and returns as stream.Pipeline.Run
// does.
func Run(ctx context.Context, cl edge.Cluster, c Config, stages []string, opts ...stream.Option) (err error) {
	var db *sql.DB
	if len(stages) == 0 || slices.Contains(stages, StageParse) || slices.Contains(stages, StageStore) {
		if db, err = sqlitedb.Open(ctx, c.Store); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
	}
	p, err := describe(cl, c, db, opts)
	if err != nil {
		return err
	}
	return p.Run(ctx, stream.Stages(stages...))
}

// describe is the whole pipeline.
func describe(cl edge.Cluster, c Config, db *sql.DB, opts []stream.Option) (*stream.Pipeline, error) {
	table, rejects, err := sinks(db)
	if err != nil {
		return nil, err
	}
	p := stream.New(cl, Pipeline, append([]stream.Option{stream.Capacity(capacity)}, opts...)...)
	lines := stream.From(p, StageIngest, logFile{c.Input, c.Rate})
	requests := stream.Map(lines, StageParse, parse, stream.DeadLetter(rejects))
	rows := stream.Map(requests, StageEnrich, enrich)
	stream.To(rows, StageStore, told[Row]{table, c.Committed}, stream.BatchOf(batchRows, batchWait))
	return p, nil
}

func parse(_ context.Context, l Line) (Request, error) {
	q, err := Parse(l.Number, l.Text)
	if errors.Is(err, ErrMalformed) {
		return Request{}, stream.Reject(err.Error())
	}
	return q, err
}

func enrich(_ context.Context, q Request) (Row, error) { return Enrich(q), nil }

// told is a sink whose commits are told to somebody.
type told[T any] struct {
	stream.Sink[T]
	who func(items int, line uint64)
}

// Commit implements stream.Sink.
func (t told[T]) Commit(ctx context.Context, b stream.Effects[T]) error {
	err := t.Sink.Commit(ctx, b)
	if n := len(b.Items); err == nil && n > 0 && t.who != nil {
		t.who(n, b.Items[n-1].Pos.Offset)
	}
	return err
}

package accesslog

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/sqlsink"
	"github.com/grafnode/grafnode/stream/sqlsink/sqlitedb"
)

// The tables have no UNIQUE constraint on the line, on purpose: each line is there once because of the transactions that put it
// there. A constraint would hide a line that was put in twice from whoever checks.
var (
	schemaRequests = `CREATE TABLE IF NOT EXISTS requests (
		line INTEGER NOT NULL, remote TEXT NOT NULL, time TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
		proto TEXT NOT NULL, status INTEGER NOT NULL, bytes, referer TEXT NOT NULL, agent TEXT NOT NULL,
		client TEXT NOT NULL, status_class TEXT NOT NULL, page TEXT NOT NULL, day TEXT NOT NULL)`
	columnsRequests = []string{"line", "remote", "time", "method", "path", "proto", "status", "bytes", "referer", "agent",
		"client", "status_class", "page", "day"}

	schemaDeadLetters  = `CREATE TABLE IF NOT EXISTS dead_letters (line INTEGER NOT NULL, reason TEXT NOT NULL, raw TEXT NOT NULL)`
	columnsDeadLetters = []string{"line", "reason", "raw"}
)

// Tidy leaves the database at path as one file, whatever became of the processes that wrote it: SQLite moves what stands in
// the log beside it into it.
func Tidy(ctx context.Context, path string) error {
	db, err := sqlitedb.Open(ctx, path)
	if err != nil {
		return err
	}
	return db.Close()
}

// sinks returns the pipeline's two sinks in db, which may be nil in a process that runs neither of their stages.
func sinks(db *sql.DB) (stream.Sink[Row], stream.Sink[stream.Rejected], error) {
	requests, err1 := table(db, "requests", StageStore, schemaRequests, columnsRequests, requestValues)
	rejects, err2 := table(db, "dead_letters", StageParse, schemaDeadLetters, columnsDeadLetters, deadLetterValues)
	return requests, rejects, errors.Join(err1, err2)
}

// table returns the sink of a stage that puts each item into one row.
func table[T any](
	db *sql.DB, name, stage, schema string, columns []string, values func(stream.Item[T]) []any,
) (*sqlsink.Sink[T], error) {
	insert, err := sqlsink.Rows(name, columns, nil, values)
	if err != nil {
		return nil, err
	}
	return sqlsink.New(db, sqlsink.Options[T]{Name: Pipeline + "." + stage, Insert: insert, Schema: []string{schema}})
}

func requestValues(i stream.Item[Row]) []any {
	r := i.Value
	return []any{int64(r.Line), r.Remote, r.Time.Format(time.RFC3339), r.Method, r.Path, r.Proto, r.Status, size(r.Bytes),
		r.Referer, r.Agent, r.Client, r.StatusClass, r.Page, r.Day}
}

// size returns the number of bytes as it goes into its column, which has no type: an integer, NULL for "-", and the digits as
// text where they are too many for an integer.
func size(digits string) any {
	if digits == "-" {
		return nil
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return n
	}
	return digits
}

func deadLetterValues(i stream.Item[stream.Rejected]) []any {
	l, _ := i.Value.Value.(Line) // not one if it could not even be decoded: then the position says which it was
	return []any{int64(i.Pos.Offset), i.Value.Reason, string(l.Text)}
}

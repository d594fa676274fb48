package check

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// row is a row of either table; the columns of the other are empty.
type row struct {
	line                                                             int64
	remote, time, method, path, proto, status, bytes, referer, agent string
	client, statusClass, page, day                                   string
	reason, raw                                                      string
}

// database is both tables, each being read in the order of its lines.
type database struct {
	db                    *sql.DB
	requests, deadLetters *cursor
}

// The casts make every column a text, whatever type a row really has: comparing is then exact, byte for byte.
const (
	selectRequests = `SELECT line, CAST(remote AS TEXT), CAST(time AS TEXT), CAST(method AS TEXT), CAST(path AS TEXT),
		CAST(proto AS TEXT), CAST(status AS TEXT), COALESCE(CAST(bytes AS TEXT), ''), CAST(referer AS TEXT),
		CAST(agent AS TEXT), CAST(client AS TEXT), CAST(status_class AS TEXT), CAST(page AS TEXT), CAST(day AS TEXT)
		FROM requests ORDER BY line`
	selectDeadLetters = `SELECT line, CAST(reason AS TEXT), CAST(raw AS TEXT) FROM dead_letters ORDER BY line`
)

// A reader of a write-ahead log still waits: for the one who mends the log of a process that was killed.
const busyMillis = "30000"

func open(ctx context.Context, path string) (*database, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	uri := url.URL{Scheme: "file", Path: abs, RawQuery: "mode=ro&_pragma=busy_timeout(" + busyMillis + ")"}
	db, err := sql.Open("sqlite", uri.String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	d := &database{db: db}
	d.requests, err = query(ctx, db, selectRequests, func(r *row) []any {
		return []any{&r.line, &r.remote, &r.time, &r.method, &r.path, &r.proto, &r.status, &r.bytes, &r.referer,
			&r.agent, &r.client, &r.statusClass, &r.page, &r.day}
	})
	if err == nil {
		d.deadLetters, err = query(ctx, db, selectDeadLetters, func(r *row) []any {
			return []any{&r.line, &r.reason, &r.raw}
		})
	}
	if err != nil {
		d.close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return d, nil
}

// close ends reading. Nothing was written, so there is no error to act on.
func (d *database) close() {
	for _, c := range []*cursor{d.requests, d.deadLetters} {
		if c != nil {
			_ = c.rows.Close()
		}
	}
	_ = d.db.Close()
}

// cursor reads one table, with one row of lookahead.
type cursor struct {
	rows   *sql.Rows
	fields func(*row) []any
	ahead  *row
}

func query(ctx context.Context, db *sql.DB, text string, fields func(*row) []any) (*cursor, error) {
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return &cursor{rows: rows, fields: fields}, nil
}

// next returns the next row, io.EOF after the last.
func (c *cursor) next() (row, error) {
	if c.ahead != nil {
		r := *c.ahead
		c.ahead = nil
		return r, nil
	}
	if !c.rows.Next() {
		if err := c.rows.Err(); err != nil {
			return row{}, err
		}
		return row{}, io.EOF
	}
	var r row
	err := c.rows.Scan(c.fields(&r)...)
	return r, err
}

// upTo returns the rows whose line is at most n.
func (c *cursor) upTo(n int64) ([]row, error) {
	var rows []row
	for {
		r, err := c.next()
		switch {
		case errors.Is(err, io.EOF):
			return rows, nil
		case err != nil:
			return nil, err
		case r.line > n:
			c.ahead = &r
			return rows, nil
		}
		rows = append(rows, r)
	}
}

package check_test

import (
	"context"
	"database/sql"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/examples/accesslog/check"
)

const (
	line1 = `h i u [17/May/2015:10:05:03 -0700] "GET /a?b HTTP/1.1" 200 1 "r" "a"`
	line3 = `h i u [17/May/2015:10:05:04 +0000] "HEAD /c HTTP/1.0" 404 - "" ` + "\"\xff\""
	input = line1 + "\r\n\n" + line3

	row1 = `INSERT INTO requests VALUES (1, 'h', '2015-05-17T10:05:03-07:00', 'GET', '/a?b', 'HTTP/1.1', 200, 1, 'r', 'a',
		'other', '2xx', '/a', '2015-05-17')`
	row2 = `INSERT INTO dead_letters VALUES (2, 'blank', '')`
	row3 = `INSERT INTO requests VALUES (3, 'h', '2015-05-17T10:05:04Z', 'HEAD', '/c', 'HTTP/1.0', 404, NULL, '',
		CAST(x'ff' AS TEXT), 'other', '4xx', '/c', '2015-05-17')`
)

// store makes a database with both tables and runs the statements.
func store(t *testing.T, statements ...string) string {
	t.Helper()
	// Made under a plain name, so that the odd one is read by the package's own way of opening only.
	path := filepath.Join(t.TempDir(), "a store?#%.db")
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "made.db"))
	require.NoError(t, err)
	for _, s := range append([]string{
		`CREATE TABLE requests (line, remote, time, method, path, proto, status, bytes, referer, agent, client,
			status_class, page, day)`,
		`CREATE TABLE dead_letters (line, reason, raw)`,
	}, append(statements, `VACUUM INTO '`+path+`'`)...) {
		_, err := db.Exec(s)
		require.NoError(t, err)
	}
	require.NoError(t, db.Close())
	return path
}

func TestCompare(t *testing.T) {
	for name, c := range map[string]struct {
		statements []string
		want       check.Result
	}{
		"right": {
			[]string{row3, row2, row1}, check.Result{Lines: 3, Stored: 2, DeadLettered: 1},
		},
		"lost": {
			[]string{row1, row2}, check.Result{Lines: 3, Stored: 1, DeadLettered: 1, Lost: 1,
				Findings: []string{"line 3: not in requests"}},
		},
		"doubled": {
			[]string{row1, row1, row2, row3, row2}, check.Result{Lines: 3, Stored: 3, DeadLettered: 2, Doubled: 2,
				Findings: []string{"line 1: a row too many", "line 2: a row too many"}},
		},
		"in both tables": {
			[]string{row1, row2, row3, `INSERT INTO dead_letters VALUES (1, 'x', 'x')`},
			check.Result{Lines: 3, Stored: 2, DeadLettered: 2, Doubled: 1, Findings: []string{"line 1: a row too many"}},
		},
		"in the wrong table": {
			[]string{row2, row3, `INSERT INTO dead_letters VALUES (1, 'x', 'x')`},
			check.Result{Lines: 3, Stored: 1, DeadLettered: 2, Lost: 1, Doubled: 1,
				Findings: []string{"line 1: not in requests", "line 1: a row too many"}},
		},
		"of no line": {
			[]string{row1, row2, row3, `INSERT INTO dead_letters VALUES (0, 'x', ''), (4, 'x', '')`},
			check.Result{Lines: 3, Stored: 2, DeadLettered: 3, Doubled: 2,
				Findings: []string{"line 1: a row too many", "dead_letters has line 4, the input has 3 lines"}},
		},
		"other content": {
			[]string{row1, `INSERT INTO dead_letters VALUES (2, 'blank', ' ')`, row3,
				`UPDATE requests SET status = 201 WHERE line = 1`},
			check.Result{Lines: 3, Stored: 2, DeadLettered: 1, Wrong: 2,
				Findings: []string{"line 1: column status differs", "line 2: column raw differs"}},
		},
	} {
		got, err := check.Compare(context.Background(), strings.NewReader(input), store(t, c.statements...))
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
		require.Equal(t, name == "right", got.OK(), name)
	}
}

func TestCompareCannotRead(t *testing.T) {
	_, err := check.Compare(context.Background(), strings.NewReader(input), filepath.Join(t.TempDir(), "none.db"))
	require.ErrorContains(t, err, "none.db")
	_, err = check.Compare(context.Background(), strings.NewReader(input),
		store(t, `ALTER TABLE requests DROP COLUMN day`))
	require.ErrorContains(t, err, "day")
}

// A store whose log is being mended, or that another process holds for itself, is waited for.
func TestCompareWaitsForALock(t *testing.T) {
	path := store(t, row1)
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: path}).String())
	require.NoError(t, err)
	defer db.Close()
	holder, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer holder.Close()
	_, err = holder.ExecContext(t.Context(), "BEGIN EXCLUSIVE")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := check.Compare(t.Context(), strings.NewReader(""), path)
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("not waited for: %v", err)
	case <-time.After(200 * time.Millisecond): // long enough for one who does not wait to have failed
	}
	_, err = holder.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	require.NoError(t, <-done)
}

package check

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Result is what a comparison found. Lost, Doubled and Wrong are zero exactly if the database holds what the input gives.
type Result struct {
	Lines        uint64   `json:"lines"`         // in the input
	Stored       uint64   `json:"stored"`        // rows in requests
	DeadLettered uint64   `json:"dead_lettered"` // rows in dead_letters
	Lost         uint64   `json:"lost"`          // lines without a row in the table that they are due in
	Doubled      uint64   `json:"doubled"`       // rows beyond the one that a line is due
	Wrong        uint64   `json:"wrong"`         // lines whose row differs from the line
	Findings     []string `json:"findings"`      // the first of each, in words
}

// OK reports whether nothing was found.
func (r Result) OK() bool { return r.Lost == 0 && r.Doubled == 0 && r.Wrong == 0 }

// findingsMax bounds Result.Findings.
const findingsMax = 20

func (r *Result) find(counter *uint64, format string, args ...any) {
	*counter++
	if len(r.Findings) < findingsMax {
		r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
	}
}

// Compare reads the input and the SQLite database at path store, and compares them. An error says that one of them could
// not be read, not that they differ.
func Compare(ctx context.Context, input io.Reader, store string) (Result, error) {
	db, err := open(ctx, store)
	if err != nil {
		return Result{}, err
	}
	defer db.close()
	var r Result
	in := bufio.NewReader(input)
	for {
		text, err := readLine(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return r, fmt.Errorf("read input: %w", err)
		}
		r.Lines++
		if err := compareLine(&r, db, text); err != nil {
			return r, err
		}
	}
	return r, drain(&r, db)
}

// readLine returns the next line without its newline and the carriage return before that, io.EOF after the last.
func readLine(in *bufio.Reader) (string, error) {
	text, err := in.ReadString('\n')
	if cut, ended := strings.CutSuffix(text, "\n"); ended {
		return strings.TrimSuffix(cut, "\r"), nil
	}
	if errors.Is(err, io.EOF) && text != "" {
		return text, nil
	}
	return "", err
}

// compareLine takes the rows of line r.Lines out of both tables and judges them.
func compareLine(r *Result, db *database, text string) error {
	n := int64(r.Lines)
	rows, err := db.requests.upTo(n)
	if err != nil {
		return err
	}
	dead, err := db.deadLetters.upTo(n)
	if err != nil {
		return err
	}
	r.Stored += uint64(len(rows))
	r.DeadLettered += uint64(len(dead))
	want, parses := expect(text)
	due, other := rows, dead
	if !parses {
		due, other = dead, rows
	}
	mine := 0
	for _, row := range due {
		if row.line != n {
			continue
		}
		mine++
		if column, differs := judge(want, parses, text, row); differs {
			r.find(&r.Wrong, "line %d: column %s differs", n, column)
		}
	}
	if mine == 0 {
		r.find(&r.Lost, "line %d: not in %s", n, map[bool]string{true: "requests", false: "dead_letters"}[parses])
	}
	for range len(due) + len(other) - min(mine, 1) {
		r.find(&r.Doubled, "line %d: a row too many", n)
	}
	return nil
}

func judge(want expected, parses bool, text string, got row) (column string, differs bool) {
	if parses {
		return want.differs(got)
	}
	if got.reason == "" {
		return "reason", true
	}
	return "raw", got.raw != text
}

// drain counts the rows behind the last line.
func drain(r *Result, db *database) error {
	for _, t := range []struct {
		cursor *cursor
		rows   *uint64
		name   string
	}{{db.requests, &r.Stored, "requests"}, {db.deadLetters, &r.DeadLettered, "dead_letters"}} {
		for {
			row, err := t.cursor.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			*t.rows++
			r.find(&r.Doubled, "%s has line %d, the input has %d lines", t.name, row.line, r.Lines)
		}
	}
	return nil
}

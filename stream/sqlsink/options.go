package sqlsink

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/grafnode/grafnode/stream"
)

// PositionTableDefault is the table of positions unless Options says otherwise.
const PositionTableDefault = "grafnode_positions"

// Options says what a Sink writes.
type Options[T any] struct {
	// Name is the sink's row in the table of positions: one name for each sink stage and each dead-letter sink, the same in
	// every process and for ever, such as "access-log.store". A new cluster needs a new name, since it counts its epochs from
	// the start. Required.
	Name string

	// Insert has the items' effects in tx, which it must neither commit nor roll back. It is called with at least one
	// item and may be called again for the same items after its transaction has failed. An error that wraps
	// stream.ErrRejected turns some item of the batch away for good. Required; Rows makes one.
	Insert func(ctx context.Context, tx *sql.Tx, items []stream.Item[T]) error

	// Schema is run by Claim, statement by statement, before anything else: CREATE TABLE IF NOT EXISTS and the like.
	Schema []string

	// PositionTable is where the positions stand. Default: PositionTableDefault.
	PositionTable string

	// Placeholder returns the text of the n-th parameter of a statement, from 1. Default: Question, for SQLite; Dollar is for
	// PostgreSQL.
	Placeholder func(n int) string
}

// Question is the placeholder of SQLite and MySQL: ?.
func Question(int) string { return "?" }

// Dollar is the placeholder of PostgreSQL: $1, $2 and so on.
func Dollar(n int) string { return "$" + strconv.Itoa(n) }

func (o Options[T]) withDefaults() Options[T] {
	if o.PositionTable == "" {
		o.PositionTable = PositionTableDefault
	}
	if o.Placeholder == nil {
		o.Placeholder = Question
	}
	return o
}

// identifier is what stands in a statement without quotes: a table, perhaps with its schema, or a column.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

func (o Options[T]) validate() error {
	switch {
	case o.Name == "":
		return errors.New("sqlsink: no name")
	case o.Insert == nil:
		return fmt.Errorf("sqlsink %s: no Insert", o.Name)
	case !identifier.MatchString(o.PositionTable):
		return fmt.Errorf("sqlsink %s: %q cannot be a table's name", o.Name, o.PositionTable)
	}
	return nil
}

// queries are the sink's own statements.
type queries struct{ create, insert, claim, read, advance string }

func queriesFor(table string, ph func(int) string) queries {
	return queries{
		create: "CREATE TABLE IF NOT EXISTS " + table +
			" (sink VARCHAR(255) PRIMARY KEY, epoch BIGINT NOT NULL, positions TEXT NOT NULL)",
		insert: "INSERT INTO " + table + " (sink, epoch, positions) VALUES (" + ph(1) + ", 0, '[]') ON CONFLICT (sink) DO NOTHING",
		claim:  "UPDATE " + table + " SET epoch = " + ph(1) + " WHERE sink = " + ph(2) + " AND epoch <= " + ph(3),
		read:   "SELECT epoch, positions FROM " + table + " WHERE sink = " + ph(1),
		advance: "UPDATE " + table + " SET positions = " + ph(1) +
			" WHERE sink = " + ph(2) + " AND epoch = " + ph(3) + " AND positions = " + ph(4),
	}
}

// parametersMax is how many parameters one statement of Rows has at most: SQLite before 3.32 takes 999.
const parametersMax = 999

// Rows returns an Insert that makes one row of each item: values returns what goes into the columns, in their order. Rows of
// one batch travel in statements of many rows each. placeholder is that of Options; nil is Question.
func Rows[T any](
	table string, columns []string, placeholder func(n int) string, values func(stream.Item[T]) []any,
) (func(context.Context, *sql.Tx, []stream.Item[T]) error, error) {
	if len(columns) == 0 || len(columns) > parametersMax {
		return nil, fmt.Errorf("sqlsink: %d columns, from 1 to %d", len(columns), parametersMax)
	}
	for _, name := range append([]string{table}, columns...) {
		if !identifier.MatchString(name) {
			return nil, fmt.Errorf("sqlsink: %q cannot be the name of a table or column", name)
		}
	}
	if placeholder == nil {
		placeholder = Question
	}
	most := parametersMax / len(columns)
	head := "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES "
	full := head + tuples(most, len(columns), placeholder) // most statements are alike
	return func(ctx context.Context, tx *sql.Tx, items []stream.Item[T]) error {
		for len(items) > 0 {
			n, statement := min(most, len(items)), full
			if n < most {
				statement = head + tuples(n, len(columns), placeholder)
			}
			args := make([]any, 0, n*len(columns))
			for _, item := range items[:n] {
				row := values(item)
				if len(row) != len(columns) {
					return fmt.Errorf("item %v makes %d values for %d columns of %s", item.Pos, len(row), len(columns), table)
				}
				args = append(args, row...)
			}
			if _, err := tx.ExecContext(ctx, statement, args...); err != nil {
				return fmt.Errorf("insert into %s: %w", table, err)
			}
			items = items[n:]
		}
		return nil
	}, nil
}

// tuples returns "(?, ?), (?, ?)" for rows of columns.
func tuples(rows, columns int, placeholder func(int) string) string {
	var b strings.Builder
	n := 0
	for r := range rows {
		if r > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('(')
		for c := range columns {
			if c > 0 {
				b.WriteString(", ")
			}
			n++
			b.WriteString(placeholder(n))
		}
		b.WriteByte(')')
	}
	return b.String()
}

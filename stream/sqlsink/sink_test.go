package sqlsink_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/durable/durabletest"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/source"
	"github.com/grafnode/grafnode/stream/sqlsink"
	"github.com/grafnode/grafnode/stream/sqlsink/sqlitedb"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
		return
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, path string) *sql.DB {
	db, err := sqlitedb.Open(context.Background(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// insert is the Insert of most tests. The table has no key that would hide a repeat.
func insert(t testing.TB) func(context.Context, *sql.Tx, []stream.Item[int]) error {
	f, err := sqlsink.Rows("numbers", []string{"position", "n"}, nil, func(item stream.Item[int]) []any {
		return []any{item.Pos.String(), item.Value}
	})
	require.NoError(t, err)
	return f
}

func newSink(t testing.TB, db *sql.DB) *sqlsink.Sink[int] {
	s, err := sqlsink.New(db, sqlsink.Options[int]{
		Name:   "p.store",
		Schema: []string{"CREATE TABLE IF NOT EXISTS numbers (position TEXT NOT NULL, n BIGINT NOT NULL)"},
		Insert: insert(t),
	})
	require.NoError(t, err)
	return s
}

func at(n int) position.Position { return position.Position{Offset: uint64(n)} }

// batch is items from..to-1.
func batch(epoch fence.Epoch, from, to int) stream.Effects[int] {
	b := stream.Effects[int]{Epoch: epoch, Upto: position.VectorOf(at(to - 1))}
	for n := from; n < to; n++ {
		b.Items = append(b.Items, stream.Item[int]{Pos: at(n), Value: n})
	}
	return b
}

func numbers(t testing.TB, db *sql.DB) []int {
	rows, err := db.QueryContext(context.Background(), "SELECT n FROM numbers ORDER BY rowid")
	require.NoError(t, err)
	defer rows.Close()
	var ns []int
	for rows.Next() {
		var n int
		require.NoError(t, rows.Scan(&n))
		ns = append(ns, n)
	}
	require.NoError(t, rows.Err())
	return ns
}

func sequence(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i + 1
	}
	return s
}

func TestCommitAndClaim(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a file?.db")
	db := open(t, path)
	s := newSink(t, db)
	require.ErrorIs(t, s.Commit(t.Context(), batch(1, 1, 2)), sqlsink.ErrNotClaimed)
	v, err := s.Claim(t.Context(), 1)
	require.NoError(t, err)
	require.Zero(t, v.Len())
	require.NoError(t, s.Commit(t.Context(), batch(1, 1, 2000))) // more than fit one statement
	require.NoError(t, s.Commit(t.Context(), stream.Effects[int]{Epoch: 1, Upto: position.VectorOf(position.EndOfLane(0), position.EndOfLane(3))}))
	require.Equal(t, sequence(1999), numbers(t, db))
	require.FileExists(t, path)

	again := newSink(t, open(t, path))
	v, err = again.Claim(t.Context(), 9)
	require.NoError(t, err)
	require.True(t, v.Equal(position.VectorOf(position.EndOfLane(0), position.EndOfLane(3))))
}

func TestZombieIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	old, young := newSink(t, open(t, path)), newSink(t, open(t, path))
	_, err := old.Claim(t.Context(), 3)
	require.NoError(t, err)
	require.NoError(t, old.Commit(t.Context(), batch(3, 1, 5)))
	v, err := young.Claim(t.Context(), 5)
	require.NoError(t, err)
	require.True(t, v.Covers(at(4)))
	require.ErrorIs(t, old.Commit(t.Context(), batch(3, 5, 9)), fence.ErrFenced)
	_, err = old.Claim(t.Context(), 3)
	require.ErrorIs(t, err, fence.ErrFenced)
	require.NoError(t, young.Commit(t.Context(), batch(5, 5, 7)))
	require.ErrorIs(t, old.Commit(t.Context(), batch(3, 5, 9)), fence.ErrFenced)
	require.Equal(t, sequence(6), numbers(t, open(t, path)))
}

// A batch that was committed after all cannot be committed again without asking.
func TestSameBatchTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	lost, s := newSink(t, open(t, path)), newSink(t, open(t, path))
	for _, sink := range []*sqlsink.Sink[int]{lost, s} {
		_, err := sink.Claim(t.Context(), 1)
		require.NoError(t, err)
	}
	require.NoError(t, lost.Commit(t.Context(), batch(1, 1, 5)), "s never hears of it")
	require.ErrorIs(t, s.Commit(t.Context(), batch(1, 1, 5)), sqlsink.ErrMoved)
	v, err := s.Claim(t.Context(), 1)
	require.NoError(t, err)
	require.True(t, v.Covers(at(4)))
	require.NoError(t, s.Commit(t.Context(), batch(1, 5, 6)))
	require.Equal(t, sequence(5), numbers(t, open(t, path)))
}

var errInsert = errors.New("insert failed")

// A batch that fails halfway leaves nothing behind.
func TestAtomic(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "db"))
	good := insert(t)
	fails := true
	s, err := sqlsink.New(db, sqlsink.Options[int]{
		Name:   "p.store",
		Schema: []string{"CREATE TABLE IF NOT EXISTS numbers (position TEXT NOT NULL, n BIGINT NOT NULL)"},
		Insert: func(ctx context.Context, tx *sql.Tx, items []stream.Item[int]) error {
			if err := good(ctx, tx, items); err != nil || !fails {
				return err
			}
			return errInsert
		},
	})
	require.NoError(t, err)
	_, err = s.Claim(t.Context(), 1)
	require.NoError(t, err)
	require.ErrorIs(t, s.Commit(t.Context(), batch(1, 1, 5)), errInsert)
	v, err := s.Claim(t.Context(), 1)
	require.NoError(t, err)
	require.Zero(t, v.Len())
	require.Empty(t, numbers(t, db))
	fails = false
	require.NoError(t, s.Commit(t.Context(), batch(1, 1, 5)))
	require.Equal(t, sequence(4), numbers(t, db))
}

func TestDamagedPositionsAreRefused(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "db"))
	s := newSink(t, db)
	_, err := s.Claim(t.Context(), 1)
	require.NoError(t, err)
	for _, text := range []string{"", "null!", `[{"lane":0,"offset":18446744073709551615}]`, `[{"lane":1},{"lane":1}]`} {
		_, err := db.ExecContext(t.Context(), "UPDATE grafnode_positions SET positions = ?", text)
		require.NoError(t, err)
		_, err = s.Claim(t.Context(), 2)
		require.ErrorIs(t, err, api.ErrCorrupt, text)
	}
}

func TestBadOptions(t *testing.T) {
	for want, o := range map[string]sqlsink.Options[int]{
		"no name":                {Insert: insert(t)},
		"no Insert":              {Name: "s"},
		"cannot be a table's na": {Name: "s", Insert: insert(t), PositionTable: "x; DROP TABLE y"},
	} {
		_, err := sqlsink.New(nil, o)
		require.ErrorContains(t, err, want)
	}
	_, err := sqlsink.Rows("t", []string{"a b"}, nil, func(stream.Item[int]) []any { return nil })
	require.ErrorContains(t, err, `"a b"`)
	_, err = sqlsink.Rows("t", nil, nil, func(stream.Item[int]) []any { return nil })
	require.ErrorContains(t, err, "0 columns")
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(path, []byte("this is not a database, and long enough to see that it is none"), 0o600))
	_, err := sqlitedb.Open(t.Context(), path)
	require.ErrorContains(t, err, path)
	_, err = sqlitedb.Open(t.Context(), filepath.Join(t.TempDir(), "no", "such", "dir"))
	require.Error(t, err)
}

// A pipeline into one database: rows in one table, rejects in another, each with its own position.
func TestPipelineWithDeadLetters(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "db"))
	cluster := edgetest.New()
	defer cluster.Close()
	registry := &durabletest.Registry{}
	insertDead, err := sqlsink.Rows("dead", []string{"n", "reason"}, nil, func(item stream.Item[stream.Rejected]) []any {
		return []any{item.Value.Value, item.Value.Reason}
	})
	require.NoError(t, err)
	dead, err := sqlsink.New(db, sqlsink.Options[stream.Rejected]{
		Name: "p.parse.dead", Insert: insertDead,
		Schema: []string{"CREATE TABLE IF NOT EXISTS dead (n BIGINT NOT NULL, reason TEXT NOT NULL)"},
	})
	require.NoError(t, err)

	p := stream.New(cluster.Client("one"), "p", stream.CheckpointIn(func(key string) durable.Store {
		return durable.NewRegister(registry, key)
	}))
	lines := stream.From(p, "ingest", source.Slice[int](sequence(1000)))
	parsed := stream.Map(lines, "parse", func(_ context.Context, n int) (int, error) {
		if n%100 == 0 {
			return 0, stream.Reject(fmt.Sprintf("%d is round", n))
		}
		return n, nil
	}, stream.DeadLetter(dead))
	stream.To(parsed, "store", newSink(t, db), stream.BatchOf(100, time.Millisecond))
	require.NoError(t, p.Run(t.Context()))

	var count, distinct int
	row := db.QueryRowContext(t.Context(), "SELECT count(*), count(DISTINCT n) FROM numbers WHERE n % 100 != 0")
	require.NoError(t, row.Scan(&count, &distinct))
	require.Equal(t, []int{990, 990}, []int{count, distinct})
	row = db.QueryRowContext(t.Context(), "SELECT count(*), count(DISTINCT n) FROM dead WHERE reason = n || ' is round'")
	require.NoError(t, row.Scan(&count, &distinct))
	require.Equal(t, []int{10, 10}, []int{count, distinct})
}

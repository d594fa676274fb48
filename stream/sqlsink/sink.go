package sqlsink

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
)

// Sink is a stream.Sink in a database.
type Sink[T any] struct {
	db *sql.DB
	o  Options[T]
	q  queries

	mu    sync.Mutex
	epoch fence.Epoch // claimed
	known string      // positions as they stand in the row, if nobody else has written it
}

// ErrNotClaimed says that Commit was called under an epoch that has not claimed the sink. It is a bug of the caller.
var ErrNotClaimed = errors.New("sqlsink: commit without claim")

// ErrMoved says that the positions in the database are not those that the sink knows, under an epoch that is not above its
// own: an earlier commit took place after all. Claim reads them again.
var ErrMoved = errors.New("sqlsink: positions have moved: claim again")

// New returns a sink that writes to db, which stays the caller's. It does not touch the database before Claim, which
// creates the table of positions if there is none.
func New[T any](db *sql.DB, o Options[T]) (*Sink[T], error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	return &Sink[T]{db: db, o: o, q: queriesFor(o.PositionTable, o.Placeholder)}, nil
}

// Claim implements stream.Sink. Asking again under the same epoch waits for a commit that the database is still at work on,
// since both update the same row.
func (s *Sink[T]) Claim(ctx context.Context, epoch fence.Epoch) (position.Vector, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if epoch > math.MaxInt64 {
		return position.Vector{}, fmt.Errorf("sqlsink: epoch %d does not fit a column: %w", epoch, api.ErrInvalid)
	}
	for _, statement := range append([]string{s.q.create}, s.o.Schema...) {
		if _, err := s.db.ExecContext(ctx, statement); err != nil {
			return position.Vector{}, fmt.Errorf("sqlsink %s: schema: %w", s.o.Name, err)
		}
	}
	var known string
	err := s.inTx(ctx, func(tx *sql.Tx) (err error) {
		if _, err := tx.ExecContext(ctx, s.q.insert, s.o.Name); err != nil {
			return err
		}
		if err := changedOne(tx.ExecContext(ctx, s.q.claim, int64(epoch), s.o.Name, int64(epoch))); err != nil {
			return s.whyNot(ctx, tx, epoch, err)
		}
		_, known, err = s.row(ctx, tx)
		return err
	})
	if err != nil {
		return position.Vector{}, fmt.Errorf("sqlsink %s: claim: %w", s.o.Name, err)
	}
	v, err := decode(known)
	if err != nil {
		return position.Vector{}, fmt.Errorf("sqlsink %s: %w", s.o.Name, err)
	}
	s.epoch, s.known = epoch, known
	return v, nil
}

// Commit implements stream.Sink.
func (s *Sink[T]) Commit(ctx context.Context, b stream.Effects[T]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.Epoch != s.epoch {
		return fmt.Errorf("sqlsink %s: epoch %d, claimed under %d: %w", s.o.Name, b.Epoch, s.epoch, ErrNotClaimed)
	}
	next, err := encode(b.Upto)
	if err != nil {
		return err
	}
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		if err := changedOne(tx.ExecContext(ctx, s.q.advance, next, s.o.Name, int64(b.Epoch), s.known)); err != nil {
			return s.whyNot(ctx, tx, b.Epoch, err)
		}
		if len(b.Items) == 0 {
			return nil
		}
		return s.o.Insert(ctx, tx, b.Items)
	})
	if err != nil {
		return fmt.Errorf("sqlsink %s: commit: %w", s.o.Name, err)
	}
	s.known = next
	return nil
}

// inTx runs f in a transaction of its own.
func (s *Sink[T]) inTx(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // err says more; a transaction that is not committed has no effect
		return err
	}
	return tx.Commit()
}

var errNotOne = errors.New("not exactly one row changed")

func changedOne(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		return errors.Join(errNotOne, err)
	}
	return nil
}

// whyNot finds out why the first update of a transaction changed nothing.
func (s *Sink[T]) whyNot(ctx context.Context, tx *sql.Tx, epoch fence.Epoch, err error) error {
	if !errors.Is(err, errNotOne) {
		return err
	}
	current, _, err := s.row(ctx, tx)
	if err != nil {
		return err
	}
	if err := (&fence.Guard{Current: current}).Check(epoch); err != nil {
		return err
	}
	return ErrMoved
}

// row reads the sink's row.
func (s *Sink[T]) row(ctx context.Context, tx *sql.Tx) (epoch fence.Epoch, positions string, err error) {
	var n int64
	err = tx.QueryRowContext(ctx, s.q.read, s.o.Name).Scan(&n, &positions)
	return fence.Epoch(n), positions, err
}

// encode writes positions as JSON: people read that table, too.
func encode(v position.Vector) (string, error) {
	b, err := json.Marshal(v.Positions())
	return string(b), err
}

func decode(text string) (position.Vector, error) {
	var ps []position.Position
	if err := json.Unmarshal([]byte(text), &ps); err != nil {
		return position.Vector{}, fmt.Errorf("stored positions %q: %w: %w", text, err, api.ErrCorrupt)
	}
	v := position.VectorOf(ps...)
	if _, err := position.DecodeVector(v.Append(nil)); err != nil {
		return position.Vector{}, fmt.Errorf("stored positions %q: %w: %w", text, err, api.ErrCorrupt)
	}
	if v.Len() != len(ps) {
		return position.Vector{}, fmt.Errorf("stored positions %q name a lane twice: %w", text, api.ErrCorrupt)
	}
	return v, nil
}

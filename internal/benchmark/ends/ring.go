package ends

import (
	"context"
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/benchmark/flow"
)

// Send fills a ring until the time is up, and then the last record, Load.Batch records in each batch.
func Send(ctx context.Context, p fabric.Producer, l flow.Load) error {
	source := flow.NewSource(l)
	for !source.Over() {
		if err := sendBatch(ctx, p, l, source); err != nil {
			return err
		}
	}
	return sendOne(ctx, p, l, source.FillEnd)
}

// sendBatch sends Load.Batch records in a batch, in several if the ring has not room for them at once.
func sendBatch(ctx context.Context, p fabric.Producer, l flow.Load, source *flow.Source) error {
	for n := l.Batch; n > 0; {
		batch, err := p.Begin()
		if err != nil {
			return err
		}
		for n > 0 && err == nil {
			var row fabric.Records
			if row, err = batch.ClaimRow(l.Bytes, n); err == nil {
				for i := range row.N {
					source.Fill(row.At(i))
				}
				err = batch.CommitRow(row.N)
				n -= row.N
			}
		}
		if ended := batch.End(); err == nil {
			err = ended
		}
		if errors.Is(err, fabric.ErrFull) {
			err = p.Wait(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ackBytes is how much a reader of rows reads before it acknowledges it.
const ackBytes = 32 << 10

// Read empties a ring up to the last record and returns what it measured.
func Read(ctx context.Context, c fabric.Consumer, l flow.Load) (flow.Result, error) {
	rows, ok := c.(fabric.Peeker)
	if !ok {
		return flow.Result{}, fmt.Errorf("%T cannot read records where they lie", c)
	}
	sink, read, acked, done := flow.NewSink(l), uint64(0), uint64(0), false
	for !done {
		row, err := rows.Peek()
		for i := 0; i < row.N && err == nil; i++ {
			done, err = sink.See(row.At(i))
		}
		rows.Skip(row.N)
		read += uint64(row.N)
		if err == nil && ((read-acked)*uint64(l.Bytes) >= ackBytes || done) {
			acked, err = read, c.Ack(read, nil)
		}
		if errors.Is(err, fabric.ErrEmpty) {
			acked, err = read, errors.Join(c.Ack(read, nil), c.Wait(ctx))
		}
		if err != nil {
			return flow.Result{}, err
		}
	}
	return sink.Result()
}

// Ping sends records one by one, each when the one before has come back, and measures that.
func Ping(ctx context.Context, out fabric.Producer, in fabric.Consumer, l flow.Load) (flow.Result, error) {
	trips, source, sink := flow.NewTrips(l), flow.NewSource(l), flow.NewSink(l)
	for n := uint64(1); ; n++ {
		if err := sendOne(ctx, out, l, source.Fill); err != nil {
			return flow.Result{}, err
		}
		if _, err := readOne(ctx, in, n, sink.See); err != nil {
			return flow.Result{}, err
		}
		if trips.Done() {
			break
		}
	}
	if err := sendOne(ctx, out, l, source.FillEnd); err != nil {
		return flow.Result{}, err
	}
	return trips.Result(), nil
}

// Pong sends back what comes until the last record.
func Pong(ctx context.Context, in fabric.Consumer, out fabric.Producer, l flow.Load) error {
	source, sink := flow.NewSource(l), flow.NewSink(l)
	for n := uint64(1); ; n++ {
		done, err := readOne(ctx, in, n, sink.See)
		if err != nil || done {
			return err
		}
		if err := sendOne(ctx, out, l, source.Fill); err != nil {
			return err
		}
	}
}

// sendOne sends a record as single records are sent.
func sendOne(ctx context.Context, p fabric.Producer, l flow.Load, fill func([]byte)) error {
	b, err := p.Claim(l.Bytes)
	for ; errors.Is(err, fabric.ErrFull); b, err = p.Claim(l.Bytes) {
		if err := p.Wait(ctx); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	fill(b)
	if err := p.Commit(); err != nil {
		return err
	}
	return p.Flush()
}

// readOne reads and acknowledges record n, counted from one.
func readOne(ctx context.Context, c fabric.Consumer, n uint64, see func([]byte) (bool, error)) (done bool, err error) {
	b, err := c.Next()
	for ; errors.Is(err, fabric.ErrEmpty); b, err = c.Next() {
		if err := c.Wait(ctx); err != nil {
			return false, err
		}
	}
	if err != nil {
		return false, fmt.Errorf("record %d: %w", n, err)
	}
	if done, err = see(b); err != nil {
		return false, err
	}
	return done, c.Ack(n, nil)
}

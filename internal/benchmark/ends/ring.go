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
	batch, err := p.Begin()
	if err != nil {
		return err
	}
	return errors.Join(sendOne(ctx, p, batch, l, source.FillEnd), batch.End())
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

// Ping sends records one by one, each when the one before has come back, and measures that. What has come back is acknowledged while the next one
// is on its way.
func Ping(ctx context.Context, out fabric.Producer, in fabric.Consumer, l flow.Load) (flow.Result, error) {
	trips, source, sink := flow.NewTrips(l), flow.NewSource(l), flow.NewSink(l)
	batch, err := out.Begin()
	if err != nil {
		return flow.Result{}, err
	}
	for n := uint64(0); n == 0 || !trips.Done(); n++ {
		if err := sendOne(ctx, out, batch, l, source.Fill); err != nil {
			return flow.Result{}, err
		}
		if err := in.Ack(n, nil); err != nil {
			return flow.Result{}, err
		}
		if _, err := readOne(ctx, in, sink.See); err != nil {
			return flow.Result{}, err
		}
	}
	if err := errors.Join(sendOne(ctx, out, batch, l, source.FillEnd), batch.End()); err != nil {
		return flow.Result{}, err
	}
	return trips.Result(), nil
}

// Pong sends back what comes until the last record.
func Pong(ctx context.Context, in fabric.Consumer, out fabric.Producer, l flow.Load) error {
	source, sink := flow.NewSource(l), flow.NewSink(l)
	batch, err := out.Begin()
	if err != nil {
		return err
	}
	for n := uint64(1); ; n++ {
		done, err := readOne(ctx, in, sink.See)
		if err != nil || done {
			return errors.Join(err, batch.End())
		}
		if err := sendOne(ctx, out, batch, l, source.Fill); err != nil {
			return err
		}
		if err := in.Ack(n, nil); err != nil {
			return err
		}
	}
}

// sendOne sends a record by itself.
func sendOne(ctx context.Context, p fabric.Producer, batch *fabric.Batch, l flow.Load, fill func([]byte)) error {
	b, err := batch.Claim(l.Bytes)
	for ; errors.Is(err, fabric.ErrFull); b, err = batch.Claim(l.Bytes) {
		if err := p.Wait(ctx); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	fill(b)
	if err := batch.Commit(); err != nil {
		return err
	}
	return batch.Flush()
}

// readOne reads the next record.
func readOne(ctx context.Context, c fabric.Consumer, see func([]byte) (bool, error)) (done bool, err error) {
	b, err := c.Next()
	for ; errors.Is(err, fabric.ErrEmpty); b, err = c.Next() {
		if err := c.Wait(ctx); err != nil {
			return false, err
		}
	}
	if err != nil {
		return false, err
	}
	return see(b)
}

package failover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/benchmark/failover/ledger"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/position"
)

const (
	// batchMax is how many items are pushed, popped or committed at once at most.
	batchMax = 256
	// tick is how often items are pushed at a rate: timers are no finer.
	tick = time.Millisecond
	// endWait is how long a producer that is told to stop waits for acknowledgements.
	endWait = 30 * time.Second
)

// produce pushes items until it is told to stop, ends the edge's lane and waits until all is acknowledged.
func (s *stage) produce(ctx context.Context, stop <-chan struct{}) error {
	out, err := edge.Produce[[]byte](ctx, watched{s.cl, s}, s.Edge, s.opts...)
	if err != nil {
		return err
	}
	following, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() { s.followSpare(following, out.Stats) })
	next := uint64(1)
	if s.Again {
		acked, err := out.WaitAcked(ctx, position.Vector{})
		if err != nil {
			return errors.Join(err, out.Close(ctx))
		}
		if p, ok := acked.At(0); ok {
			next = p.Offset + 1
		}
	}
	next, err = s.pump(ctx, stop, out, next)
	if err != nil {
		cancelled, cancel := context.WithCancel(ctx)
		cancel() // it would wait for acknowledgements
		_ = out.Close(cancelled)
		return err
	}
	ending, cancelEnd := context.WithTimeout(ctx, endWait)
	defer cancelEnd()
	if err := errors.Join(out.End(ending, 0), out.Close(ending)); err != nil {
		return err
	}
	s.tell(news{At: boottime.Now(), What: ended, Role: s.Role, Items: next - 1})
	return nil
}

// pump pushes items from next on until stop is closed, and returns the number after the last.
func (s *stage) pump(ctx context.Context, stop <-chan struct{}, out *edge.Producer[[]byte], next uint64) (uint64, error) {
	var memory [batchMax * itemBytes]byte
	items := make([]edge.Msg[[]byte], batchMax)
	for i := range items {
		items[i].Value = memory[i*itemBytes:][:itemBytes]
	}
	began, first := time.Now(), next
	for {
		select {
		case <-stop:
			return next, nil
		case <-ctx.Done():
			return next, context.Cause(ctx)
		default:
		}
		n := uint64(batchMax)
		if s.Rate > 0 {
			n = min(n, uint64(time.Since(began).Seconds()*s.Rate)-(next-first))
		}
		if n == 0 {
			time.Sleep(tick)
			continue
		}
		now := boottime.Now()
		for i := range n {
			fill(items[i].Value, next+i, now)
			items[i].Pos = position.Position{Offset: next + i}
		}
		pushed, err := out.PushBatch(ctx, items[:n])
		next += uint64(pushed)
		if err != nil {
			return next, err
		}
	}
}

// consume commits what comes to the ledger, until all of it has.
func (s *stage) consume(ctx context.Context) (err error) {
	store, err := ledger.Dial(s.Ledger)
	if err != nil {
		return err
	}
	defer store.Close()
	resume := edge.ResumeFrom(func(_ context.Context, epoch fence.Epoch) (position.Vector, error) {
		last, err := store.Claim(uint64(epoch))
		if err != nil || last == 0 {
			return position.Vector{}, err
		}
		return position.VectorOf(position.Position{Offset: last}), nil
	})
	in, err := edge.Consume[[]byte](ctx, watched{s.cl, s}, s.Edge, append(s.opts, resume)...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close(ctx)) }()
	items := make([]edge.Msg[[]byte], batchMax)
	for {
		n, err := in.PopBatch(ctx, items)
		if err := commit(store, in, items[:n]); err != nil {
			return err
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// commit commits items, and then acknowledges them.
func commit(store *ledger.Client, in *edge.Consumer[[]byte], items []edge.Msg[[]byte]) error {
	all, err := batches(uint64(in.Epoch()), items)
	for _, b := range all {
		if err := store.Commit(b); err != nil {
			return err
		}
		if err := in.Ack(position.Position{Offset: b.From + b.N - 1}); err != nil {
			return err
		}
	}
	return err
}

// errDamaged says that an item is not what was pushed.
var errDamaged = errors.New("an item is damaged")

// batches makes one batch of items whose numbers follow each other, and more if they do not, which the ledger will complain of.
func batches(epoch uint64, items []edge.Msg[[]byte]) (all []ledger.Batch, err error) {
	for _, m := range items {
		number, pushed, ok := check(m.Value)
		if !ok || number != m.Pos.Offset {
			return all, fmt.Errorf("%w: at %v, %x", errDamaged, m.Pos, m.Value)
		}
		if last := len(all) - 1; last >= 0 && all[last].From+all[last].N == number {
			all[last].N++
			all[last].Newest = max(all[last].Newest, pushed)
			continue
		}
		all = append(all, ledger.Batch{Epoch: epoch, From: number, N: 1, Newest: pushed})
	}
	return all, nil
}

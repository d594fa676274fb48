package stream

import (
	"context"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
)

// deadLetters takes a stage's rejects and makes them durable, in batches, beside the stage's work. A nil *deadLetters
// is that of a stage without a dead-letter sink.
type deadLetters struct {
	p      *Pipeline
	st     *stage
	commit *committer[Rejected]
	queue  chan Item[Rejected]
	close  func() // says that nothing more will be sent
}

// openDeadLetters fences the stage's dead-letter sink and reads which rejects it has, if there is one.
func openDeadLetters(ctx context.Context, p *Pipeline, st *stage, epoch fence.Epoch) (*deadLetters, error) {
	if st.conf.deadLetter == nil {
		return nil, nil
	}
	d := &deadLetters{p: p, st: st, queue: make(chan Item[Rejected], BatchDefault)}
	d.close = sync.OnceFunc(func() { close(d.queue) })
	conf := settings{retries: RetriesDefault, retryWait: RetryWaitDefault}
	d.commit = &committer[Rejected]{sink: st.conf.deadLetter, epoch: epoch, conf: conf}
	if err := d.commit.claim(ctx); err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	return d, nil
}

// committed returns which rejects are durable.
func (d *deadLetters) committed() position.Vector {
	if d == nil {
		return position.Vector{}
	}
	return d.commit.committed()
}

// reject makes the letter for an item that is turned away, unless it is durable already: then fresh is false. Without a
// dead-letter sink it returns what ends the stage.
func (d *deadLetters) reject(pos position.Position, v any, tries int, cause error) (letter Item[Rejected], fresh bool, err error) {
	if d == nil {
		return letter, false, fmt.Errorf("item %v, and there is no dead-letter sink: %w", pos, cause)
	}
	if d.committed().Covers(pos) {
		return letter, false, nil
	}
	r := Rejected{Stage: d.p.fullName(d.st.name), Reason: reasonOf(cause), Attempts: tries, Value: v}
	d.p.conf.events.rejected(pos, r)
	return Item[Rejected]{Pos: pos, Value: r}, true, nil
}

// send gives a letter to run. It blocks while run is behind.
func (d *deadLetters) send(ctx context.Context, letter Item[Rejected]) error {
	select {
	case d.queue <- letter:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// run commits what is sent, until close, and calls committed after each commit.
func (d *deadLetters) run(ctx context.Context, committed func() error) error {
	if d == nil {
		return nil
	}
	return batches(ctx, d.queue, BatchDefault, BatchWaitDefault, func(ctx context.Context, letters []Item[Rejected]) error {
		if err := d.put(ctx, letters); err != nil {
			return err
		}
		return committed()
	})
}

// put makes rejects durable.
func (d *deadLetters) put(ctx context.Context, letters []Item[Rejected]) error {
	if err := d.commit.commit(ctx, letters, lastOf(letters)); err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	return nil
}

// lastOf returns the last position of each lane among items.
func lastOf[T any](items []Item[T]) position.Vector {
	var v position.Vector
	for i, item := range items {
		if i+1 == len(items) || items[i+1].Pos.Lane != item.Pos.Lane {
			v = v.With(item.Pos)
		}
	}
	return v
}

package tcp_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/internal/borrow"
)

// Nothing is allocated for a record on its way, at either end: a thousand take less than ten allocations, of whatever goroutine.
func TestNoAllocationPerRecord(t *testing.T) {
	if borrow.Poisons {
		t.Skip("each record is lent as a copy in this build")
	}
	pair := over(newInproc, fabric.RoleProducer, fabric.RoleConsumer)(t, fabrictest.Config(1<<20))
	p, err := pair.Producer()
	require.NoError(t, err)
	c, err := pair.Consumer()
	require.NoError(t, err)
	const records = 1000
	ctx, read := testContext(t), uint64(0)
	see := func([]byte) error { read++; return nil }
	send := func() error {
		batch, err := p.Begin()
		if err != nil {
			return err
		}
		for n := 0; n < records; {
			_, err := batch.Claim(64)
			switch {
			case errors.Is(err, fabric.ErrFull): // the acks are under way
				err = p.Wait(ctx)
			case err == nil:
				err = batch.Commit()
				n++
			}
			if err != nil {
				return err
			}
		}
		return batch.End()
	}
	receive := func(until uint64) error {
		for read < until {
			_, err := c.Drain(records, see)
			if errors.Is(err, fabric.ErrEmpty) {
				err = c.Wait(ctx)
			}
			if err = errors.Join(err, c.Ack(read, nil)); err != nil {
				return err
			}
		}
		return nil
	}
	round := func() { require.NoError(t, errors.Join(send(), receive(read+records))) }
	for range 100 { // several rings' worth, so that every buffer is there
		round()
	}
	require.Less(t, testing.AllocsPerRun(100, round), 10.0)
	require.NoError(t, errors.Join(p.Close(), c.Close()))
}

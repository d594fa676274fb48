package fabrictest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
)

// Dying is a producer in a process of its own, which is to die at one of the steps of package step.
type Dying struct {
	Arena fabric.Arena
	Join  func() bool                    // has it begin, and reports whether it lived to have joined its ring
	Died  func()                         // waits until it is gone
	Check func(b []byte, i uint64) error // whether b is its i-th record
}

// DyingSteps are the steps at which a producer may die: its fabric's own, of attaching, and those of every ring, the ones that each record passes with
// how often they were passed before.
func DyingSteps(passed []int, own ...string) (all []DyingStep) {
	for _, name := range append(own, "activate", "activate/visible") {
		all = append(all, DyingStep{name, 0})
	}
	for _, name := range []string{"claim", "write", "commit", "publish", "publish/counted", "publish/visible"} {
		for _, n := range passed {
			all = append(all, DyingStep{name, n})
		}
	}
	return all
}

// DyingStep is a step, and how often it is passed before it is fatal.
type DyingStep struct {
	Name   string
	Passed int
}

// String is a test's name.
func (s DyingStep) String() string { return fmt.Sprintf("%s/%d", s.Name, s.Passed) }

// ProducerDies shows that the consumer gets the records that were published, whole and in order, and can leave.
func ProducerDies(t testing.TB, d Dying) {
	t.Helper()
	c, err := d.Arena.Consumer()
	require.NoError(t, err)
	defer c.Close()
	gone := make(chan struct{})
	joined := d.Join()
	go func() {
		defer close(gone)
		d.Died()
		d.Arena.Seal(fabric.ErrSealed)
	}()
	read := uint64(0)
	for err == nil {
		var b []byte
		if b, err = nextOf(t, c); err == nil {
			require.NoError(t, d.Check(b, read))
			read++
			if ack := c.Ack(read, nil); ack != nil {
				require.ErrorIs(t, ack, fabric.ErrSealed)
			}
		}
	}
	require.ErrorIs(t, err, fabric.ErrSealed)
	<-gone
	if !joined {
		require.Zero(t, read)
	}
	require.GreaterOrEqual(t, d.Arena.Usage().Committed, read)
	active, err := c.Active()
	require.True(t, err == nil || errors.Is(err, fabric.ErrSealed))
	require.True(t, err != nil || active || read == 0, "it was said before the first record")
}

// nextOf returns the next record, waiting for it.
func nextOf(t testing.TB, c fabric.Consumer) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errors.New("the suite's patience ended"))
	defer cancel()
	for {
		b, err := c.Next()
		if !errors.Is(err, fabric.ErrEmpty) {
			return b, err
		}
		require.NoError(t, c.Wait(ctx))
	}
}

package durabletest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/fence"
)

// Place is where a value is kept. Each call returns a new Store on the same place, as a stage's successor would.
type Place func() durable.Store

// Run holds a kind of store to the contract of durable.Store. fresh returns a place that was never written, of at least
// sizeMax bytes.
func Run(t *testing.T, sizeMax int, fresh func() Place) {
	t.Run("never written", func(t *testing.T) { neverWritten(t, fresh()) })
	t.Run("put is found by the successor", func(t *testing.T) { successor(t, fresh()) })
	t.Run("zombie is refused", func(t *testing.T) { zombie(t, fresh()) })
	t.Run("put needs a fence", func(t *testing.T) { putNeedsFence(t, fresh()) })
	t.Run("sizes", func(t *testing.T) { sizes(t, sizeMax, fresh()) })
	t.Run("values are copied", func(t *testing.T) { valuesAreCopied(t, fresh()) })
	t.Run("puts beside one another", func(t *testing.T) { concurrentPuts(t, fresh()) })
	t.Run("takeover beside puts", func(t *testing.T) { takeoverBesidePuts(t, fresh()) })
	t.Run("any history", func(t *testing.T) { anyHistory(t, fresh) })
}

func neverWritten(t *testing.T, place Place) {
	for epoch := range fence.Epoch(3) {
		_, found, err := place().Fence(t.Context(), epoch+1)
		require.NoError(t, err)
		require.False(t, found)
	}
}

func successor(t *testing.T, place Place) {
	for epoch := fence.Epoch(1); epoch < 5; epoch++ {
		s := place()
		value, found, err := s.Fence(t.Context(), epoch)
		require.NoError(t, err)
		require.Equal(t, epoch > 1, found)
		if found {
			require.Equal(t, fmt.Sprintf("second of %d", epoch-1), string(value))
		}
		require.NoError(t, s.Put(t.Context(), epoch, []byte("first")))
		require.NoError(t, s.Put(t.Context(), epoch, fmt.Appendf(nil, "second of %d", epoch)))
		value, _, err = s.Fence(t.Context(), epoch)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("second of %d", epoch), string(value), "fencing again reads again")
	}
}

func zombie(t *testing.T, place Place) {
	old, young := place(), place()
	_, _, err := old.Fence(t.Context(), 3)
	require.NoError(t, err)
	require.NoError(t, old.Put(t.Context(), 3, []byte("old")))
	value, found, err := young.Fence(t.Context(), 7)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "old", string(value))
	require.ErrorIs(t, old.Put(t.Context(), 3, []byte("late")), fence.ErrFenced)
	_, _, err = old.Fence(t.Context(), 3)
	require.ErrorIs(t, err, fence.ErrFenced)
	require.ErrorIs(t, young.Put(t.Context(), 3, []byte("late")), fence.ErrFenced)
	value, _, err = place().Fence(t.Context(), 7)
	require.NoError(t, err)
	require.Equal(t, "old", string(value))
}

func putNeedsFence(t *testing.T, place Place) {
	require.ErrorIs(t, place().Put(t.Context(), 1, []byte("x")), durable.ErrNotFenced)
}

func sizes(t *testing.T, sizeMax int, place Place) {
	s := place()
	_, _, err := s.Fence(t.Context(), 1)
	require.NoError(t, err)
	require.ErrorIs(t, s.Put(t.Context(), 1, nil), api.ErrInvalid)
	require.ErrorIs(t, s.Put(t.Context(), 1, make([]byte, sizeMax+1)), api.ErrTooLarge)
	for _, n := range []int{1, sizeMax, 1} {
		require.NoError(t, s.Put(t.Context(), 1, make([]byte, n)))
		value, found, err := place().Fence(t.Context(), 1)
		require.NoError(t, err)
		require.True(t, found)
		require.Len(t, value, n)
	}
}

func valuesAreCopied(t *testing.T, place Place) {
	s := place()
	_, _, err := s.Fence(t.Context(), 1)
	require.NoError(t, err)
	mine := []byte("mine")
	require.NoError(t, s.Put(t.Context(), 1, mine))
	mine[0] = 'X'
	value, _, err := s.Fence(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "mine", string(value))
	value[0] = 'Y'
	value, _, err = s.Fence(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "mine", string(value))
}

// Several goroutines put; each of them, when its Put returns, finds its own value or one that was offered later.
func concurrentPuts(t *testing.T, place Place) {
	s := place()
	_, _, err := s.Fence(t.Context(), 1)
	require.NoError(t, err)
	const writers, rounds = 8, 20
	var wg sync.WaitGroup
	errs := make(chan error, writers)
	for w := range writers {
		wg.Go(func() {
			for round := range rounds {
				if err := s.Put(t.Context(), 1, []byte{byte(w), byte(round)}); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	require.NoError(t, <-errs)
	value, _, err := place().Fence(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, byte(rounds-1), value[1], "the last value is some writer's last")
}

// The old owner puts until it is refused. What it was told is durable is what the successor finds, or it finds the one Put
// after that, whose outcome the old owner never learnt.
func takeoverBesidePuts(t *testing.T, place Place) {
	old, young := place(), place()
	_, _, err := old.Fence(t.Context(), 1)
	require.NoError(t, err)
	number := func(n int) []byte { return strconv.AppendInt(nil, int64(n), 10) }
	require.NoError(t, old.Put(t.Context(), 1, number(1)))
	durableUpTo := make(chan int, 1)
	go func() {
		n := 1
		for old.Put(t.Context(), 1, number(n+1)) == nil {
			n++
		}
		durableUpTo <- n
	}()
	value, found, err := young.Fence(t.Context(), 2)
	require.NoError(t, err)
	require.True(t, found)
	told := <-durableUpTo
	again, _, err := young.Fence(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, value, again, "nothing of the old epoch lands after the fence")
	require.Contains(t, []string{string(number(told)), string(number(told + 1))}, string(value))
}

// Any sequence of fences and puts by several owners, of which only the last to fence an epoch puts under it, behaves like
// one variable with one guard.
func anyHistory(t *testing.T, fresh func() Place) {
	rapid.Check(t, func(t *rapid.T) {
		place := fresh()
		ctx := context.Background()
		owners := []durable.Store{place(), place(), place()}
		fenced := make([]fence.Epoch, len(owners))
		var guard fence.Guard
		var model []byte
		fencer := -1 // of the guard's epoch
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			i := rapid.IntRange(0, len(owners)-1).Draw(t, "owner")
			epoch := fence.Epoch(rapid.IntRange(1, 4).Draw(t, "epoch"))
			if rapid.Bool().Draw(t, "fence") {
				value, found, err := owners[i].Fence(ctx, epoch)
				if guard.Admit(epoch) != nil {
					require.ErrorIs(t, err, fence.ErrFenced)
					continue
				}
				require.NoError(t, err)
				fenced[i], fencer = epoch, i
				require.Equal(t, model != nil, found)
				require.Equal(t, string(model), string(value))
				continue
			}
			value := rapid.SliceOfN(rapid.Byte(), 1, 8).Draw(t, "value")
			if i != fencer && fenced[i] == guard.Current {
				continue // two owners of one epoch: nobody promises anything
			}
			err := owners[i].Put(ctx, epoch, value)
			switch {
			case epoch > fenced[i]:
				require.ErrorIs(t, err, durable.ErrNotFenced)
			case epoch < fenced[i] || guard.Check(epoch) != nil:
				require.ErrorIs(t, err, fence.ErrFenced)
			default:
				require.NoError(t, err)
				model = value
			}
		}
	})
}

// ErrCut is what a store in memory returns when a test breaks it.
var ErrCut = errors.New("durabletest: cut on purpose")

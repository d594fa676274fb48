package rounds_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/registry/internal/rounds"
)

// However many ask, one round is under way and one waits; nobody gets the answer of a round that began before the question.
func TestRoundsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count := 0
		rs := rounds.New(t.Context(), func(context.Context) (time.Time, error) {
			count++ // one round at a time
			began := time.Now()
			time.Sleep(time.Second)
			return began, nil
		})
		var asking sync.WaitGroup
		for i := range 100 {
			asking.Go(func() {
				time.Sleep(time.Duration(i) * 20 * time.Millisecond)
				asked := time.Now()
				began, err := rs.Join(t.Context())
				require.NoError(t, err)
				require.False(t, began.Before(asked))
			})
		}
		asking.Wait()
		rs.Close()
		require.Equal(t, 3, count)
	})
}

func TestRoundsOutliveTheirAskers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("why")
		life, end := context.WithCancelCause(context.Background())
		rs := rounds.New(life, func(life context.Context) (int, error) { <-life.Done(); return 7, context.Cause(life) })
		asker, leave := context.WithCancel(context.Background())
		var asking sync.WaitGroup
		asking.Go(func() {
			_, err := rs.Join(asker)
			require.ErrorIs(t, err, context.Canceled)
		})
		asking.Go(func() {
			answer, err := rs.Join(context.Background())
			require.ErrorIs(t, err, why)
			require.Equal(t, 7, answer)
		})
		synctest.Wait()
		leave()
		synctest.Wait()
		end(why)
		asking.Wait()
		rs.Close()
		_, err := rs.Join(context.Background())
		require.ErrorIs(t, err, rounds.ErrClosed)
	})
}

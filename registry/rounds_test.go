package registry

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// However many ask, one round is under way and one waits; nobody gets the answer of a round that began before the question.
func TestRoundsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		began := []time.Time{}
		rs := rounds{run: func(context.Context) error {
			mu.Lock()
			began = append(began, time.Now())
			mu.Unlock()
			time.Sleep(time.Second)
			return nil
		}}
		var asking sync.WaitGroup
		for i := range 100 {
			asking.Go(func() {
				time.Sleep(time.Duration(i) * 20 * time.Millisecond)
				asked := time.Now()
				require.NoError(t, rs.join(t.Context(), t.Context()))
				mine := false
				mu.Lock()
				defer mu.Unlock()
				for _, b := range began {
					mine = mine || !b.Before(asked) && !b.Add(time.Second).After(time.Now())
				}
				require.True(t, mine, "a whole round lies between question and answer")
			})
		}
		asking.Wait()
		rs.wait()
		require.Len(t, began, 3)
	})
}

func TestRoundsOutliveTheirAskers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("why")
		rs := rounds{run: func(life context.Context) error { <-life.Done(); return context.Cause(life) }}
		life, end := context.WithCancelCause(context.Background())
		asker, leave := context.WithCancelCause(context.Background())
		var asking sync.WaitGroup
		asking.Go(func() { require.ErrorIs(t, rs.join(asker, life), context.Canceled) })
		asking.Go(func() { require.ErrorIs(t, rs.join(context.Background(), life), why) })
		synctest.Wait()
		leave(nil)
		synctest.Wait()
		end(why)
		asking.Wait()
		rs.wait()
	})
}

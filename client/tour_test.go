package client

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
)

// The time is over while several copies are on their way. The one that is known not to have been carried out says nothing of the
// others, in whatever order their answers come.
func TestTheEndOfTimeHidesNoOpenOutcome(t *testing.T) {
	for _, unknown := range []int{0, 1, 2} { // which copy is the one that may have been carried out
		for _, late := range []time.Duration{0, time.Millisecond} { // after the time is over
			synctest.Test(t, func(t *testing.T) {
				r, err := newRoute("/socket", APIConfig{})
				require.NoError(t, err)
				r.learn([]string{"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"})
				ctx, cancel := context.WithTimeout(t.Context(), 5*hedgeAfter/2)
				defer cancel()
				asked := make(chan int, 4)
				for i := range 4 {
					asked <- i
				}
				tour := &tour[struct{}]{route: r, hedge: true, ask: func(ctx context.Context, _ *API) (none struct{}, _ error) {
					copy := <-asked
					<-ctx.Done()
					if copy == unknown {
						time.Sleep(late)
						return none, api.ErrUnknown
					}
					return none, api.ErrUnavailable
				}}
				_, err = tour.known(ctx)
				require.ErrorIs(t, err, api.ErrUnknown)
				require.ErrorIs(t, err, context.DeadlineExceeded)
			})
		}
	}
}

// Who was asked because another is slow, and has not answered when that one does after all, is not to blame for it.
func TestWhoWasJustAskedIsNotLate(t *testing.T) {
	for name, c := range map[string]struct {
		first, second time.Duration // that they take
		late          int           // who rests afterwards; zero: nobody
	}{
		"the first answers after all":     {first: hedgeAfter + time.Millisecond, second: time.Hour},
		"the second answers at once":      {first: time.Hour, late: 1},
		"the first answers, but too late": {first: 3 * hedgeAfter, second: time.Hour, late: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, err := newRoute("/socket", APIConfig{})
				require.NoError(t, err)
				r.learn([]string{"10.0.0.1:1"})
				tour := &tour[struct{}]{route: r, hedge: true, ask: func(ctx context.Context, node *API) (none struct{}, _ error) {
					takes := c.first
					if node != r.own { // which is asked first
						takes = c.second
					}
					select {
					case <-time.After(takes):
						return none, nil
					case <-ctx.Done():
						return none, api.ErrUnavailable
					}
				}}
				_, err = tour.once(t.Context())
				require.NoError(t, err)
				for i, node := range []*API{r.own, r.others["10.0.0.1:1"]} {
					require.Equal(t, i+1 == c.late, r.resting[node].span > 0, "node %d", i+1)
				}
			})
		})
	}
}

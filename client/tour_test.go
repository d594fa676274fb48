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

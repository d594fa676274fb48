package edge_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
)

// counting counts what is read of the registry.
type counting struct {
	*edgetest.Client
	reads atomic.Int32
}

func (c *counting) Edge(ctx context.Context, name string) (api.Edge, error) {
	c.reads.Add(1)
	return c.Client.Edge(ctx, name)
}

// However long a standby has waited, it takes over with the news that the roles are free, and asks nothing before.
func TestAStandbyTakesOverAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := edgetest.New()
		defer c.Close()
		stage := edge.Stage{Name: "s", Consumes: []string{"a"}, Produces: []string{"b"}}
		first := c.Client("first")
		_, err := edge.Claim(t.Context(), first, stage)
		require.NoError(t, err)
		cl := &counting{Client: c.Client("second")}
		took := make(chan time.Time)
		go func() {
			_, err := edge.Claim(t.Context(), cl, stage, edge.Standby())
			if err != nil {
				t.Error(err)
			}
			took <- time.Now()
		}()
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		reads, killed := cl.reads.Load(), time.Now()
		first.Kill()
		require.Equal(t, killed, <-took, "it slept first")
		require.Equal(t, reads, cl.reads.Load(), "it asked first")
	})
}

package client

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric/tcp"
)

func TestHeartbeatsAreSetByConfigOrEnvironment(t *testing.T) {
	settle := func(c Config) (Config, error) {
		c.Socket, c.Stage = "/s", "stage"
		c, err := c.withDefaults()
		if err != nil {
			return c, err
		}
		return c, c.Validate()
	}
	c, err := settle(Config{})
	require.NoError(t, err)
	require.Equal(t, tcp.HeartbeatDefault, c.Heartbeat)
	require.Equal(t, tcp.MissedDefault, c.Missed)

	t.Setenv(HeartbeatEnv, "250ms")
	t.Setenv(MissedEnv, "5")
	c, err = settle(Config{})
	require.NoError(t, err)
	require.Equal(t, 250*time.Millisecond, c.Heartbeat)
	require.Equal(t, 5, c.Missed)
	c, err = settle(Config{Heartbeat: time.Second, Missed: 2})
	require.NoError(t, err)
	require.Equal(t, time.Second, c.Heartbeat)
	require.Equal(t, 2, c.Missed)

	_, err = settle(Config{Heartbeat: time.Microsecond})
	require.ErrorContains(t, err, "must be 10ms to 1m")
	_, err = settle(Config{Missed: -1})
	require.ErrorContains(t, err, "must be 1 to 100")
	t.Setenv(MissedEnv, "some")
	_, err = settle(Config{})
	require.ErrorContains(t, err, `GRAFNODE_HEARTBEATS_MISSED: "some" is no number`)
	t.Setenv(HeartbeatEnv, "50")
	_, err = settle(Config{})
	require.ErrorContains(t, err, `GRAFNODE_HEARTBEAT: "50" is no duration`)
}

package ibverbs

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// The examples are the standard's, volume 1, tables 45 (RNR NAK timer) and the formula of the local ACK timeout.
func TestCodes(t *testing.T) {
	for d, code := range map[time.Duration]uint8{0: 1, time.Nanosecond: 1, 8192 * time.Nanosecond: 1, 8193 * time.Nanosecond: 2,
		67108864 * time.Nanosecond: 14, time.Second: 18, 3 * time.Hour: 31} {
		require.Equal(t, code, ackCode(d), d)
	}
	for d, code := range map[time.Duration]uint8{0: 1, 10 * time.Microsecond: 1, 11 * time.Microsecond: 2, 640 * time.Microsecond: 12,
		time.Millisecond: 14, 10240 * time.Microsecond: 20, 491520 * time.Microsecond: 31, 491521 * time.Microsecond: 0} {
		require.Equal(t, code, pauseCode(d), d)
	}
}

// A code never means less time than was asked for, and the code below would.
func TestCodesRoundUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, int64(400*time.Millisecond)).Draw(t, "d"))
		ack, pause := ackCode(d), pauseCode(d)
		require.GreaterOrEqual(t, ackUnit<<ack, d)
		require.GreaterOrEqual(t, pauses[pause-1]*10*time.Microsecond, d)
		if ack > 1 {
			require.Less(t, ackUnit<<(ack-1), d)
		}
		if pause > 1 {
			require.Less(t, pauses[pause-2]*10*time.Microsecond, d)
		}
	})
}

func TestRetriesEnd(t *testing.T) {
	good := verbs.Retry{AckTimeout: time.Millisecond, Count: 6, NotReady: 6, Pause: time.Millisecond}
	require.True(t, validRetry(good))
	for _, change := range []func(*verbs.Retry){
		func(r *verbs.Retry) { r.Count = 7 }, func(r *verbs.Retry) { r.Count = -1 }, func(r *verbs.Retry) { r.NotReady = 7 },
		func(r *verbs.Retry) { r.NotReady = -1 }, func(r *verbs.Retry) { r.AckTimeout = 0 }, func(r *verbs.Retry) { r.Pause = 0 },
	} {
		bad := good
		change(&bad)
		require.False(t, validRetry(bad), "%+v", bad)
	}
}

// Where there is no library, or no tag, there is an answer, and it is that there are no ports.
func TestWithoutAdapters(t *testing.T) {
	ports, err := New().Ports()
	if Built && err == nil {
		t.Logf("ports here: %v", ports)
		return
	}
	require.Empty(t, ports)
	require.True(t, errors.Is(err, fabric.ErrUnsupported), err)
}

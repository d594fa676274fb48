package benchmark

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGapIsTheLongestAfterTheKill(t *testing.T) {
	killed := time.Unix(1000, 0)
	at := func(ms int) time.Time { return killed.Add(time.Duration(ms) * time.Millisecond) }
	acks := make(chan time.Time, 10)
	// One of before, one from the grave, then silence, and two a shorter time apart.
	for _, ms := range []int{-400, 5, 305, 400, 1400, 2000} {
		acks <- at(ms)
	}
	gap, err := longest(t.Context(), acks, killed, nil)
	require.NoError(t, err)
	require.Equal(t, 1000*time.Millisecond, gap, "from 400 to 1400: it was not over yet")

	for _, ms := range []int{250, 700, 1100, 1500} {
		acks <- at(ms)
	}
	gap, err = longest(t.Context(), acks, killed, nil)
	require.NoError(t, err)
	require.Equal(t, 450*time.Millisecond, gap)
}

func TestRefusals(t *testing.T) {
	for _, c := range []Config{{Cases: []string{"cas/2"}}, {Against: "consul"}, {Runs: -1}, {Dir: "/nowhere"},
		{Against: "etcd", Peers: t.TempDir(), Dir: t.TempDir()}} {
		_, err := Registry(t.Context(), c)
		require.ErrorIs(t, err, ErrUsage)
	}
}

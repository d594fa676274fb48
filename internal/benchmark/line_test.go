package benchmark

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The ratio is the median of the pairs' ratios, not the ratio of the medians: an hour in which all is slow counts as one pair.
func TestRatiosAreTakenPairByPair(t *testing.T) {
	l := lineOf("cas/1", "etcd", "ms", []pair{
		{figure{1, 2}, figure{2, 2}}, {figure{10, 30}, figure{10, 10}}, {figure{3, 6}, figure{4, 4}},
	})
	require.Equal(t, Line{Case: "cas/1", Against: "etcd", Value: 3, Unit: "ms", Runs: 3, Min: 1, Max: 10, P50: 3, P99: 6,
		Ratio: .75, RatioMin: .5, RatioMax: 1, RatioP99: 1.5, Peer: 4, PeerP99: 4}, l)
}

func TestLinesAreOfTheFormThatOthersRead(t *testing.T) {
	var out strings.Builder
	rate := lineOf("cas/64", "etcd", "ops/s", []pair{{figure{value: 200}, figure{value: 100}}})
	alone := lineOf("cas/64", "", "ops/s", []pair{{ours: figure{value: 200}}})
	gap := gapLine("leader-killed", "etcd", []pair{{figure{value: 300}, figure{value: 1000}}, {figure{value: 200}, figure{value: 1000}}})
	for _, l := range []Line{rate, alone, gap} {
		require.NoError(t, l.WriteJSON(&out))
	}
	require.Equal(t, []string{
		`{"case":"cas/64","against":"etcd","value":200,"unit":"ops/s","ratio":2,"runs":1,"min":200,"max":200,"ratio_min":2,"ratio_max":2,"peer":100}`,
		`{"case":"cas/64","value":200,"unit":"ops/s","runs":1,"min":200,"max":200}`,
		`{"case":"leader-killed","against":"etcd","value":300,"unit":"ms","ratio":0.3,"runs":2,"min":200,"max":300,` +
			`"p50_ms":300,"p99_ms":300,"worst_ms":300,"ratio_min":0.2,"ratio_max":0.3,"peer":1000,"peer_p99":1000}`,
	}, strings.Split(strings.TrimSpace(out.String()), "\n"))
}

func TestTable(t *testing.T) {
	var out strings.Builder
	lines := []Line{
		lineOf("cas/1", "etcd", "ms", []pair{{figure{1, 2}, figure{2, 4}}}),
		lineOf("cas/64", "etcd", "ops/s", []pair{{figure{value: 2000}, figure{value: 1000}}}),
	}
	require.NoError(t, WriteTable(&out, "etcd", lines))
	require.Contains(t, out.String(), "cas/1 p50  1 ms        2 ms        0.50   1     0.50 to 0.50")
	require.Contains(t, out.String(), "cas/1 p99  2 ms        4 ms        0.50")
	require.Contains(t, out.String(), "cas/64     2000 ops/s  1000 ops/s  2.00   1     2.00 to 2.00")
}

func TestQuantilesAreAmongTheValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 200).Draw(t, "n")
		values := make([]float64, n)
		for i := range values {
			values[i] = float64(i)
		}
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		require.Contains(t, values, quantile(values, q))
		require.LessOrEqual(t, quantile(values, q/2), quantile(values, q))
	})
}

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

package figures

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The ratio is the median of the pairs' ratios, not the ratio of the medians: an hour in which all is slow counts as one pair.
func TestRatiosAreTakenPairByPair(t *testing.T) {
	l := Sum("cas/1", "etcd", "ms", []Pair{
		{Figure{1, 2}, Figure{2, 2}}, {Figure{10, 30}, Figure{10, 10}}, {Figure{3, 6}, Figure{4, 4}},
	})
	require.Equal(t, Line{Case: "cas/1", Against: "etcd", Value: 3, Unit: "ms", Runs: 3, Min: 1, Max: 10, P50: 3, P99: 6,
		Ratio: .75, RatioMin: .5, RatioMax: 1, RatioP99: 1.5, Theirs: 4, PeerP99: 4}, l)
}

func TestLinesAreOfTheFormThatOthersRead(t *testing.T) {
	var out strings.Builder
	rate := Sum("cas/64", "etcd", "ops/s", []Pair{{Figure{Value: 200}, Figure{Value: 100}}})
	alone := Sum("cas/64", "", "ops/s", []Pair{{Ours: Figure{Value: 200}}})
	gap := Gaps("leader-killed", "etcd", []Pair{{Figure{Value: 300}, Figure{Value: 1000}}, {Figure{Value: 200}, Figure{Value: 1000}}})
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
		Sum("cas/1", "etcd", "ms", []Pair{{Figure{1, 2}, Figure{2, 4}}}),
		Sum("cas/64", "etcd", "ops/s", []Pair{{Figure{Value: 2000}, Figure{Value: 1000}}}),
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
		require.Contains(t, values, Quantile(values, q))
		require.LessOrEqual(t, Quantile(values, q/2), Quantile(values, q))
	})
}

package nemesis

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func config() Config {
	return Config{Nodes: 5, Phases: 20, Term: 2 * time.Second, Kinds: []Kind{Kill, Stop, Cut, OneWay, Ring, Flap, SlowDisk, Restart, Transfer}}
}

func TestASeedIsAPlan(t *testing.T) {
	require.Equal(t, Plan(7, config()), Plan(7, config()))
	require.NotEqual(t, Plan(7, config()), Plan(8, config()))
}

func TestPlansAreCarriedOut(t *testing.T) {
	for seed := range uint64(200) {
		seen := map[Kind]bool{}
		for _, phase := range Plan(seed, config()) {
			require.NotEmpty(t, phase)
			for i, s := range phase {
				seen[s.Kind] = true
				require.Positive(t, s.For)
				require.True(t, i == 0 || phase[i-1].At <= s.At)
				for _, n := range s.Nodes {
					require.True(t, n == Leader || n >= 0 && n < 5)
				}
				if s.Kind == Cut {
					require.Less(t, len(s.Nodes), 3, "a minority")
				}
				if s.Kind == OneWay {
					require.Len(t, s.Nodes, 2)
				}
			}
		}
		require.Len(t, seen, len(config().Kinds), "twenty phases have every kind")
	}
}

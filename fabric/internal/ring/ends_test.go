package ring

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestEnds compares the runs with a list of where each record ends.
func TestEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var e ends
		start := cursor{8 * rapid.Uint64Range(0, 1<<40).Draw(t, "bytes before"), rapid.Uint64Range(0, 1<<40).Draw(t, "records before")}
		acked, end := start, start
		var want []uint64 // where record i+1 behind start ends
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			size := 8 * rapid.Uint64Range(1, 3).Draw(t, "size")
			n := rapid.Uint64Range(1, 64).Draw(t, "records")
			for range n {
				end = cursor{end.at + size, end.count + 1}
				want = append(want, end.at)
			}
			e.push(end, size)
			if ack := rapid.Uint64Range(acked.count, end.count).Draw(t, "ack"); ack > acked.count {
				acked = e.after(acked, ack)
				require.Equal(t, cursor{want[ack-start.count-1], ack}, acked)
			}
		}
	})
}

package ring

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/fabric"
)

// TestEnds compares the runs with a list of where each record ends. In a row that is acked in part it may be the header short.
func TestEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var e ends
		start := cursor{8 * rapid.Uint64Range(0, 1<<40).Draw(t, "bytes before"), rapid.Uint64Range(0, 1<<40).Draw(t, "records before")}
		acked, end := start, start
		var want []uint64  // where record i+1 behind start ends
		var slack []uint64 // how much less may be said
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			row := fabric.Row{Stride: 8 * rapid.Uint64Range(0, 3).Draw(t, "size"), Count: rapid.OneOf(rapid.Just(uint64(1)), rapid.Uint64Range(1, 64)).Draw(t, "records")}
			end.at += fabric.HeaderBytes
			for i := range row.Count {
				end = cursor{end.at + row.Stride, end.count + 1}
				want, slack = append(want, end.at), append(slack, fabric.HeaderBytes*min(1, row.Count-1-i))
			}
			e.push(end, row)
			if ack := rapid.Uint64Range(acked.count, end.count).Draw(t, "ack"); ack > acked.count {
				acked = e.after(acked, ack)
				i := ack - start.count - 1
				require.Equal(t, ack, acked.count)
				require.Zero(t, acked.at%8)
				require.LessOrEqual(t, acked.at, want[i])
				require.GreaterOrEqual(t, acked.at+slack[i], want[i])
			}
		}
	})
}

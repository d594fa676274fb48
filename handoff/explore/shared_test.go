package explore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Worlds share what they do not change. No step writes what belongs to the world before it.
func TestStepsLeaveTheWorldBeforeAlone(t *testing.T) {
	for _, b := range []Bounds{
		{Shape: Chain, Inputs: 2, Faults: 1, Spares: 1, Alarms: true, Apart: true},
		{Shape: Staged, Inputs: 2, Faults: 2, Begun: true},
		{Shape: Merged, Inputs: 1, Faults: 2, Begun: true},
		{Shape: Logged, Inputs: 2, Faults: 2, Begun: true},
	} {
		seen := map[sum]bool{}
		for queue := []*World{newWorld(b, None)}; len(queue) > 0 && len(seen) < 5000; queue = queue[1:] {
			w := queue[0]
			before := w.anew()
			for _, s := range w.steps(nil) {
				next, err := w.after(&s)
				require.NoError(t, err)
				if k := next.key(); !seen[k] {
					seen[k] = true
					require.Equal(t, k, next.anew(), "what is known of a part is as it is")
					queue = append(queue, next)
				}
			}
			require.Equal(t, before, w.anew(), "%+v", b)
		}
	}
}

// anew returns the key of w without what is known of its parts.
func (w *World) anew() sum {
	for _, a := range w.arenas {
		a.sum = sum{}
	}
	for _, p := range w.procs {
		p.sum = sum{}
	}
	return w.key()
}

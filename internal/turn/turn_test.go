package turn

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Neither side ever sees the other's half-done work.
func TestTurnExcludes(t *testing.T) {
	var turn Turn
	var a, b int // equal but for whoever has the turn
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				turn.Lock()
				if a != b {
					t.Error("Lock came between Enter and Exit")
				}
				a++
				b++
				turn.Unlock()
				for i := range n % 1000 { // so that Enter gets it for itself now and then
					_ = i
				}
			}
		})
	}
	entered := 0
	for range 300_000 {
		require.True(t, turn.Enter())
		if a != b {
			t.Fatal("Enter came between Lock and Unlock")
		}
		a++
		b++
		entered++
		turn.Exit()
	}
	close(stop)
	all.Wait()
	require.Equal(t, a, b)
	require.GreaterOrEqual(t, a, entered)
}

func TestTurnIsFoundTaken(t *testing.T) {
	var turn Turn
	for range 2 * streakMin {
		require.True(t, turn.Enter())
		require.False(t, turn.Enter(), "somebody is in")
		turn.Exit()
	}
	turn.Lock()
	turn.streak = 0
	turn.Unlock()
	require.True(t, turn.Enter())
	turn.Exit()
}

func BenchmarkEnterExit(b *testing.B) {
	var turn Turn
	for b.Loop() {
		turn.Enter()
		turn.Exit()
	}
}

func BenchmarkLock(b *testing.B) {
	var turn Turn
	for b.Loop() {
		for range streakMin {
			turn.Enter()
			turn.Exit()
		}
		turn.Lock()
		turn.streak = 0
		turn.Unlock()
	}
}

package ledger_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/internal/benchmark/failover/ledger"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/lease"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Whatever is committed in whatever order, it is counted as a set would.
func TestAccount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, seen, doubled, highest := ledger.New(), map[uint64]bool{}, uint64(0), uint64(0)
		for range rapid.IntRange(0, 20).Draw(t, "batches") {
			from, n := rapid.Uint64Range(1, 30).Draw(t, "from"), rapid.Uint64Range(1, 8).Draw(t, "n")
			require.NoError(t, l.Commit(ledger.Batch{From: from, N: n}, 0))
			for i := from; i < from+n; i++ {
				if seen[i] {
					doubled++
				}
				seen[i], highest = true, max(highest, i)
			}
		}
		pushed := rapid.Uint64Range(0, 50).Draw(t, "pushed")
		lost := uint64(0)
		for i := uint64(1); i <= max(pushed, highest); i++ {
			if !seen[i] {
				lost++
			}
		}
		require.Equal(t, ledger.Account{Last: highest, Lost: lost, Doubled: doubled}, l.Account(pushed))
	})
}

func TestWhoWasReplacedIsRefused(t *testing.T) {
	l := ledger.New()
	last, err := l.Claim(3)
	require.NoError(t, err)
	require.Zero(t, last)
	require.NoError(t, l.Commit(ledger.Batch{Epoch: 3, From: 1, N: 5}, 1))
	last, err = l.Claim(4)
	require.NoError(t, err)
	require.EqualValues(t, 5, last)
	require.ErrorIs(t, l.Commit(ledger.Batch{Epoch: 3, From: 6, N: 1}, 2), ledger.ErrFenced)
	_, err = l.Claim(3)
	require.ErrorIs(t, err, ledger.ErrFenced)
	require.Equal(t, ledger.Account{Last: 5, Fenced: 2}, l.Account(5))
}

func TestWatch(t *testing.T) {
	at := func(ms int) lease.Instant { return lease.Instant(time.Duration(ms) * time.Millisecond) }
	l := ledger.New()
	next := uint64(1)
	commit := func(pushed, now int) {
		require.NoError(t, l.Commit(ledger.Batch{From: next, N: 1, Newest: at(pushed)}, at(now)))
		next++
	}
	commit(9, 10)
	stored := l.Watch(at(11))
	commit(10, 30)
	select {
	case <-stored:
		t.Fatal("it was pushed before the fault")
	default:
	}
	commit(12, 45)
	<-stored
	commit(13, 46)
	require.Equal(t, 20*time.Millisecond, l.During(at(11), at(45)), "which began before")
	require.Equal(t, 15*time.Millisecond, l.During(at(31), at(32)), "of which a part lies there")
	require.Equal(t, time.Millisecond, l.During(at(46), at(60)))
	gap, after := l.Watched(at(47))
	require.Equal(t, 20*time.Millisecond, gap, "from the commit before the fault")
	require.Equal(t, 34*time.Millisecond, after)

	l.Watch(at(50))
	gap, after = l.Watched(at(90))
	require.Equal(t, 44*time.Millisecond, gap, "and to the end")
	require.Zero(t, after)
	require.Zero(t, l.During(at(0), at(100)), "nobody watches")
}

func TestServe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	s, err := ledger.Serve(path)
	require.NoError(t, err)
	l := ledger.New()
	s.Use(l)
	c, err := ledger.Dial(path)
	require.NoError(t, err)
	_, err = c.Claim(2)
	require.NoError(t, err)
	stored := l.Watch(boottime.Now())
	require.NoError(t, c.Commit(ledger.Batch{Epoch: 2, From: 1, N: 7, Newest: boottime.Now()}))
	<-stored
	last, err := c.Claim(2)
	require.NoError(t, err)
	require.EqualValues(t, 7, last)
	_, err = c.Claim(1)
	require.ErrorIs(t, err, ledger.ErrFenced)
	require.NoError(t, s.Close())
	require.Error(t, c.Commit(ledger.Batch{Epoch: 2, From: 8, N: 1}), "nobody serves")
	require.NoError(t, c.Close())
	require.NoError(t, s.Close())
	_, err = ledger.Dial(path)
	require.Error(t, err)
}

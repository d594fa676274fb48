package leasebroker_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/leasebroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeRegistry is a log of one node, with the delays of a real one.
type fakeRegistry struct {
	mu     sync.Mutex
	runner *leasebroker.Runner
	index  uint64
	seq    map[leasebroker.Key]uint64
	ended  map[leasebroker.Key]time.Duration // since start
	start  time.Time
	rounds int
	fail   error         // of the next calls
	hang   chan struct{} // not nil: Confirm waits for it, or for its ctx
}

func (f *fakeRegistry) Confirm(ctx context.Context, _ uint64) error {
	f.mu.Lock()
	f.rounds++
	hang, err := f.hang, f.fail
	f.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	time.Sleep(time.Millisecond)
	return err
}

func (f *fakeRegistry) ProposeAllowance(_ context.Context, term uint64, seen []leasebroker.Seen) error {
	return f.apply(func(a *leasebroker.Applied) {
		a.Term = term
		for _, s := range seen {
			if seq, ok := f.seq[s.Key]; ok && seq == s.Seq {
				f.seq[s.Key]++
				a.Allowed = append(a.Allowed, leasebroker.Timed{Key: s.Key, TTL: ttl, Seq: seq + 1})
			}
		}
	})
}

func (f *fakeRegistry) ProposeExpire(_ context.Context, term uint64, seen []leasebroker.Seen) error {
	return f.apply(func(a *leasebroker.Applied) {
		a.Term = term
		for _, s := range seen {
			if seq, ok := f.seq[s.Key]; ok && seq == s.Seq {
				delete(f.seq, s.Key)
				f.ended[s.Key] = time.Since(f.start)
				a.Ended = append(a.Ended, s.Key)
			}
		}
	})
}

func (f *fakeRegistry) grant(key leasebroker.Key) {
	_ = f.apply(func(a *leasebroker.Applied) {
		f.seq[key] = 0
		a.Granted = append(a.Granted, leasebroker.Timed{Key: key, TTL: ttl})
	})
}

func (f *fakeRegistry) apply(change func(*leasebroker.Applied)) error {
	time.Sleep(2 * time.Millisecond)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	f.index++
	a := leasebroker.Applied{Index: f.index, Term: 1}
	change(&a)
	f.runner.Applied(a)
	return nil
}

func (f *fakeRegistry) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

const ttl = 9 * time.Second

// open starts a runner that leads; time is the test bubble's.
func open(t *testing.T) (*leasebroker.Runner, *fakeRegistry) {
	t.Helper()
	start := time.Now()
	f := &fakeRegistry{seq: map[leasebroker.Key]uint64{}, ended: map[leasebroker.Key]time.Duration{}, start: start}
	r, err := leasebroker.New(leasebroker.Config{
		Registry: f, Logger: slog.New(slog.DiscardHandler),
		Now: func() lease.Instant { return lease.Instant(time.Hour + time.Since(start)) },
	})
	require.NoError(t, err)
	f.runner = r
	require.NoError(t, r.Open())
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	r.Lead(1, func() leasebroker.Snapshot { return leasebroker.Snapshot{} })
	return r, f
}

var renewal = api.RenewRequest{Node: "n1", Leases: []lease.ID{"l1"}, Sessions: []lease.SessionID{"s1"}}

func TestConfigIsChecked(t *testing.T) {
	_, err := leasebroker.New(leasebroker.Config{})
	require.ErrorContains(t, err, "no registry")
	_, err = leasebroker.New(leasebroker.Config{Registry: &fakeRegistry{}})
	require.ErrorContains(t, err, "no clock")
}

// What is renewed lives on; what is not expires a term after its last renewal, and nothing else does.
func TestRunnerKeepsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := open(t)
		lasting, dying := leasebroker.Key{Lease: "l1"}, leasebroker.Key{Session: "s1"}
		f.grant(lasting)
		f.grant(dying)
		got, err := r.Renew(t.Context(), renewal)
		require.NoError(t, err)
		require.InDelta(t, ttl, got.Leases["l1"], float64(ttl/100))
		require.InDelta(t, ttl, got.Sessions["s1"], float64(ttl/100))

		for range 12 {
			time.Sleep(lease.RenewEvery(ttl))
			got, err = r.Renew(t.Context(), api.RenewRequest{Node: "n1", Leases: []lease.ID{"l1"}})
			require.NoError(t, err)
			require.Greater(t, got.Leases["l1"], ttl*9/10)
		}
		f.set(func() {
			require.NotContains(t, f.ended, lasting)
			require.Greater(t, f.ended[dying], ttl)
			require.Less(t, f.ended[dying], lease.Allowance(ttl)+100*time.Millisecond)
		})
		s := r.Stats()
		require.Equal(t, uint64(13), s.Renewals)
		require.LessOrEqual(t, s.Allowances, uint64(14))
		require.Equal(t, 1, s.Timed)
		require.Equal(t, uint64(1), s.Expiries)
	})
}

func TestRenewalsAreCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := open(t)
		f.grant(leasebroker.Key{Lease: "l1"})
		hang := make(chan struct{})
		f.set(func() { f.hang = hang })
		var clients sync.WaitGroup
		for range 100 {
			clients.Go(func() {
				_, err := r.Renew(t.Context(), renewal)
				require.NoError(t, err)
			})
		}
		synctest.Wait()
		f.set(func() { f.hang = nil })
		close(hang)
		clients.Wait()
		require.Equal(t, 2, f.rounds, "the first, and one for all that came meanwhile")
	})
}

func TestRenewFailsWithoutQuorumOrLeadership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := open(t)
		f.grant(leasebroker.Key{Lease: "l1"})
		f.set(func() { f.fail = api.ErrNoQuorum })
		_, err := r.Renew(t.Context(), renewal)
		require.ErrorIs(t, err, api.ErrNoQuorum)

		f.set(func() { f.fail, f.hang = nil, make(chan struct{}) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = r.Renew(ctx, renewal)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		failed := make(chan error)
		go func() {
			_, err := r.Renew(t.Context(), renewal)
			failed <- err
		}()
		synctest.Wait()
		r.Follow()
		require.ErrorIs(t, <-failed, api.ErrNoQuorum)
		_, err = r.Renew(t.Context(), renewal)
		require.ErrorIs(t, err, api.ErrNoQuorum)
		require.Zero(t, r.Stats().Leading)
	})
}

// An expiry that cannot be recorded is tried again, not in a hurry, until it can.
func TestExpiryIsRetried(t *testing.T) {
	for _, failure := range []error{api.ErrUnknown, api.ErrNoQuorum, api.ErrConflict} {
		synctest.Test(t, func(t *testing.T) {
			r, f := open(t)
			key := leasebroker.Key{Lease: "l1"}
			f.grant(key)
			f.set(func() { f.fail = failure })
			time.Sleep(lease.Allowance(ttl) + 10*time.Second)
			require.InDelta(t, 40, r.Stats().Expiries, 5)
			f.set(func() { f.fail = nil })
			time.Sleep(time.Second)
			f.set(func() { require.Contains(t, f.ended, key) })
			require.Zero(t, r.Stats().Timed)
		})
	}
}

// A follower counts from its own apply when it is called to lead; a leader that has closed does nothing.
func TestRunnerLifecycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := open(t)
		require.Error(t, r.Open())
		r.Follow()
		key := leasebroker.Key{Lease: "l1"}
		f.grant(key)
		time.Sleep(3 * ttl)
		f.set(func() { require.Empty(t, f.ended) })
		r.Lead(2, func() leasebroker.Snapshot {
			return leasebroker.Snapshot{Index: 1, Terms: []leasebroker.Timed{{Key: key, TTL: ttl}}}
		})
		time.Sleep(time.Second)
		f.set(func() { require.Contains(t, f.ended, key) })

		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
		require.Error(t, r.Open())
		r.Lead(3, func() leasebroker.Snapshot { return leasebroker.Snapshot{} })
		require.Zero(t, r.Stats().Leading)
		_, err := r.Renew(t.Context(), renewal)
		require.ErrorIs(t, err, api.ErrNoQuorum)
	})
}

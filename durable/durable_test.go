package durable_test

import (
	"bytes"
	"context"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/durable/durabletest"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRegister(t *testing.T) {
	durabletest.Run(t, durable.RegisterBytesMax, func() durabletest.Place {
		registry := &durabletest.Registry{}
		return func() durable.Store { return durable.NewRegister(registry, "p.ingest") }
	})
}

func newSlots(t require.TestingT, region durable.Region) *durable.Slots {
	s, err := durable.NewSlots(region)
	require.NoError(t, err)
	return s
}

func TestSlots(t *testing.T) {
	durabletest.Run(t, slotMax, func() durabletest.Place {
		region := durabletest.NewRegion(2 * lease.BlockBytes)
		return func() durable.Store { return newSlots(t, region) }
	})
}

// A value that takes several transfers is as whole as any other.
func TestLargeSlots(t *testing.T) {
	region := durabletest.NewRegion(6 << 20)
	s := newSlots(t, region)
	_, _, err := s.Fence(t.Context(), 1)
	require.NoError(t, err)
	for _, fill := range []byte{1, 2} {
		require.NoError(t, s.Put(t.Context(), 1, bytes.Repeat([]byte{fill}, s.BytesMax())))
	}
	region.Tear(100) // of the first part
	require.ErrorIs(t, s.Put(t.Context(), 1, bytes.Repeat([]byte{3}, s.BytesMax())), api.ErrUnknown)
	value, _, err := newSlots(t, region).Fence(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, bytes.Repeat([]byte{2}, s.BytesMax()), value)
}

const slotMax = lease.BlockBytes - 48

func TestSlotsInAFile(t *testing.T) {
	durabletest.Run(t, slotMax, func() durabletest.Place {
		path := filepath.Join(t.TempDir(), "region")
		return func() durable.Store { return newSlots(t, openFile(t, path)) }
	})
}

func openFile(t *testing.T, path string) *durable.File {
	f, err := durable.OpenFile(path, 2*lease.BlockBytes)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

// A write that is broken off ends an epoch of Slots, so one is not begun that cannot be brought to its end.
func TestAPutWhoseTimeIsOverBeginsNoWrite(t *testing.T) {
	s := newSlots(t, durabletest.NewRegion(2*lease.BlockBytes))
	_, _, err := s.Fence(t.Context(), 1)
	require.NoError(t, err)
	over, end := context.WithCancel(t.Context())
	end()
	for range 100 { // whether there was a turn to be had was a toss
		require.ErrorIs(t, s.Put(over, 1, []byte("late")), context.Canceled)
	}
	require.NoError(t, s.Put(t.Context(), 1, []byte("in time")))
}

func TestFileRefusesAnotherSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "region")
	openFile(t, path)
	_, err := durable.OpenFile(path, lease.BlockBytes)
	require.ErrorIs(t, err, api.ErrInvalid)
}

func TestSlotsNeedTwoBlocks(t *testing.T) {
	_, err := durable.NewSlots(durabletest.NewRegion(2*lease.BlockBytes - 1))
	require.ErrorIs(t, err, api.ErrInvalid)
}

// Puts that wait while one is being written are written as one.
func TestPutsAreGrouped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, release := make(chan struct{}), make(chan struct{})
		registry := &durabletest.Registry{}
		slow := slowRegistry{registry, func(r api.CheckpointRequest) {
			if r.Write && string(r.Value) == "0" {
				close(first)
				<-release
			}
		}}
		s := durable.NewRegister(slow, "k")
		_, _, err := s.Fence(t.Context(), 1)
		require.NoError(t, err)
		var wg sync.WaitGroup
		wg.Go(func() { require.NoError(t, s.Put(t.Context(), 1, []byte("0"))) })
		<-first
		for i := range 50 {
			wg.Go(func() { require.NoError(t, s.Put(t.Context(), 1, []byte{'a', byte(i)})) })
		}
		synctest.Wait() // all of them wait
		before := registry.Asked()
		close(release)
		wg.Wait()
		require.Equal(t, before+2, registry.Asked(), "the first write, and one for the fifty")
	})
}

type slowRegistry struct {
	*durabletest.Registry
	before func(api.CheckpointRequest)
}

func (s slowRegistry) UpdateCheckpoint(ctx context.Context, key string, r api.CheckpointRequest) (api.Checkpoint, error) {
	s.before(r)
	return s.Registry.UpdateCheckpoint(ctx, key, r)
}

// Whatever becomes of single requests, also those that are applied much later, a Put that returned stays.
func TestRegisterResolvesUnknownOutcomes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		faults := rapid.SliceOfN(rapid.SampledFrom([]durabletest.Fault{
			durabletest.None, durabletest.Refused, durabletest.Unknown, durabletest.AppliedUnknown, durabletest.Late,
		}), 30, 30).Draw(rt, "faults")
		synctest.Test(t, func(t *testing.T) {
			registry := &durabletest.Registry{}
			registry.Break = func(n int, _ api.CheckpointRequest) durabletest.Fault {
				if n < len(faults) {
					return faults[n]
				}
				return durabletest.None
			}
			s := durable.NewRegister(registry, "k")
			fenced := false
			var last []byte
			for n := byte(1); n < 8; n++ {
				if !fenced {
					_, _, err := s.Fence(t.Context(), 1)
					fenced = err == nil
					continue
				}
				err := s.Put(t.Context(), 1, []byte{n})
				if err == nil {
					last = []byte{n}
				} else {
					require.ErrorIs(t, err, api.ErrNoQuorum)
					last = nil // may still come, or not
				}
			}
			registry.Break = nil
			registry.CatchUp()
			value, _, err := durable.NewRegister(registry, "k").Fence(t.Context(), 2)
			require.NoError(t, err)
			if last != nil {
				require.Equal(t, last, value)
			}
		})
	})
}

func TestRegisterRefusesADamagedValue(t *testing.T) {
	registry := &durabletest.Registry{}
	_, err := registry.UpdateCheckpoint(t.Context(), "k", api.CheckpointRequest{Epoch: 1, Write: true, Value: []byte("v"), Sum: 7})
	require.NoError(t, err)
	_, found, err := durable.NewRegister(registry, "k").Fence(t.Context(), 2)
	require.ErrorIs(t, err, api.ErrCorrupt)
	require.False(t, found)
}

// A Put whose caller gives up leaves the others to be written.
func TestGivingUpIsTheCallersOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		entered := make(chan struct{})
		var once sync.Once
		slow := cancellable{&durabletest.Registry{}, func(ctx context.Context) {
			once.Do(func() { close(entered); <-ctx.Done() })
		}}
		s := durable.NewRegister(slow, "k")
		_, _, err := s.Fence(t.Context(), 1)
		require.NoError(t, err)
		var wg sync.WaitGroup
		wg.Go(func() { require.ErrorIs(t, s.Put(ctx, 1, []byte("a")), context.Canceled) })
		<-entered
		wg.Go(func() { require.NoError(t, s.Put(t.Context(), 1, []byte("b"))) })
		synctest.Wait()
		cancel()
		wg.Wait()
		value, _, err := s.Fence(t.Context(), 2)
		require.NoError(t, err)
		require.Equal(t, "b", string(value))
	})
}

type cancellable struct {
	*durabletest.Registry
	before func(context.Context)
}

func (c cancellable) UpdateCheckpoint(ctx context.Context, key string, r api.CheckpointRequest) (api.Checkpoint, error) {
	if r.Write {
		c.before(ctx)
	}
	return c.Registry.UpdateCheckpoint(ctx, key, r)
}

// A write that was held up on its way, and given up, does not undo what its epoch has written since, and been told is durable.
func TestALateWriteLandsOverNoLaterOne(t *testing.T) {
	region := durabletest.NewRegion(2 * lease.BlockBytes)
	s := newSlots(t, region)
	_, _, err := s.Fence(t.Context(), 1)
	require.NoError(t, err)
	require.NoError(t, s.Put(t.Context(), 1, []byte("before")))
	region.Delay()
	require.ErrorIs(t, s.Put(t.Context(), 1, []byte("late")), api.ErrUnknown)

	again := newSlots(t, region)
	_, _, err = again.Fence(t.Context(), 1)
	require.NoError(t, err)
	require.NoError(t, again.Put(t.Context(), 1, []byte("told")))
	for _, err := range region.Land() {
		require.ErrorIs(t, err, api.ErrConflict)
	}
	value, _, err := newSlots(t, region).Fence(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, "told", string(value))
}

// If the late write comes first it is the later one that is refused, and whoever asked for it is told so.
func TestALateWriteIsNotTakenForAnother(t *testing.T) {
	region := durabletest.NewRegion(2 * lease.BlockBytes)
	s, again := newSlots(t, region), newSlots(t, region)
	_, _, err := s.Fence(t.Context(), 1)
	require.NoError(t, err)
	region.Delay()
	require.ErrorIs(t, s.Put(t.Context(), 1, []byte("late")), api.ErrUnknown)
	_, _, err = again.Fence(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, []error{nil}, region.Land())
	require.ErrorIs(t, again.Put(t.Context(), 1, []byte("mine")), api.ErrUnknown)
	value, _, err := newSlots(t, region).Fence(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, "late", string(value))
}

func TestFileRefusesALateWrite(t *testing.T) {
	f := openFile(t, filepath.Join(t.TempDir(), "region"))
	require.ErrorIs(t, f.WriteAt(t.Context(), 1, 0, []byte("x"), 0), api.ErrConflict)
	require.NoError(t, f.WriteAt(t.Context(), 1, 2, []byte("x"), 0))
	require.ErrorIs(t, f.WriteAt(t.Context(), 1, 2, []byte("y"), 0), api.ErrConflict)
	require.NoError(t, f.WriteAt(t.Context(), 2, 1, []byte("z"), 0))
}

// A crash in the middle of a write, after any number of bytes, leaves the value of the last Put that returned.
func TestSlotsTornAtEveryByte(t *testing.T) {
	const puts = 4
	const length = 60
	for tornPut := range puts {
		for cut := range 48 + length {
			region := durabletest.NewRegion(2 * lease.BlockBytes)
			s := newSlots(t, region)
			_, _, err := s.Fence(t.Context(), 1)
			require.NoError(t, err)
			var last []byte
			for n := range puts {
				value := bytes.Repeat([]byte{'a' + byte(n)}, length) // no byte as in the slot before
				if n == tornPut {
					region.Tear(cut)
					err := s.Put(t.Context(), 1, value)
					require.ErrorIs(t, err, api.ErrUnknown)
					require.ErrorIs(t, s.Put(t.Context(), 1, value), api.ErrUnknown, "only a higher epoch settles it")
					break
				}
				require.NoError(t, s.Put(t.Context(), 1, value))
				last = value
			}
			next := newSlots(t, region)
			value, found, err := next.Fence(t.Context(), 2)
			require.NoError(t, err)
			require.Equal(t, last != nil, found)
			require.Equal(t, string(last), string(value))
			require.NoError(t, next.Put(t.Context(), 2, []byte("on")))
			value, _, err = newSlots(t, region).Fence(t.Context(), 3)
			require.NoError(t, err)
			require.Equal(t, "on", string(value))
		}
	}
}

func TestFormattingTornAtEveryByte(t *testing.T) {
	for cut := range 48 {
		region := durabletest.NewRegion(2 * lease.BlockBytes)
		region.Tear(cut)
		_, _, err := newSlots(t, region).Fence(t.Context(), 1)
		require.ErrorIs(t, err, api.ErrUnknown)
		_, found, err := newSlots(t, region).Fence(t.Context(), 2)
		require.NoError(t, err)
		require.False(t, found)
	}
}

// One flipped byte in the newer slot falls back to the older; in both it is an error that names both, never a default.
func TestDamagedSlots(t *testing.T) {
	setUp := func() *durabletest.Region {
		region := durabletest.NewRegion(2 * lease.BlockBytes)
		s := newSlots(t, region)
		_, _, err := s.Fence(t.Context(), 1)
		require.NoError(t, err)
		require.NoError(t, s.Put(t.Context(), 1, []byte("one"))) // in slot 1
		require.NoError(t, s.Put(t.Context(), 1, []byte("two"))) // in slot 0
		return region
	}
	for at := range 48 + 3 {
		region := setUp()
		region.Damage(func(b []byte) { b[at] ^= 0x40 })
		value, _, err := newSlots(t, region).Fence(t.Context(), 2)
		require.NoError(t, err)
		require.Equal(t, "one", string(value))

		region.Damage(func(b []byte) { b[lease.BlockBytes+at] ^= 0x40 })
		_, found, err := newSlots(t, region).Fence(t.Context(), 3)
		require.ErrorIs(t, err, api.ErrCorrupt)
		require.ErrorContains(t, err, "slot 0")
		require.ErrorContains(t, err, "slot 1")
		require.False(t, found)

		region.Damage(func(b []byte) { clear(b[:lease.BlockBytes]) })
		_, _, err = newSlots(t, region).Fence(t.Context(), 4)
		require.ErrorIs(t, err, api.ErrCorrupt, "a blank slot does not excuse a damaged one")
	}
}

// A region that lost its fence does not take the slots back to an older epoch.
func TestSlotsKnowTheirEpoch(t *testing.T) {
	region := durabletest.NewRegion(2 * lease.BlockBytes)
	s := newSlots(t, region)
	_, _, err := s.Fence(t.Context(), 5)
	require.NoError(t, err)
	require.NoError(t, s.Put(t.Context(), 5, []byte("five")))
	other := durabletest.NewRegion(2 * lease.BlockBytes)
	region.Damage(func(from []byte) { other.Damage(func(to []byte) { copy(to, from) }) })
	_, _, err = newSlots(t, other).Fence(t.Context(), 4)
	require.ErrorIs(t, err, fence.ErrFenced)
}

package rdma

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// scripted is a pair whose polls return what is written.
type scripted struct {
	verbs.Pair
	polls [][]verbs.Completion
}

func (s *scripted) Post([]verbs.Write) error { return nil }

func (s *scripted) Poll(into []verbs.Completion) (n int, err error) {
	if len(s.polls) == 0 {
		return 0, errors.New("the script has ended")
	}
	n = copy(into, s.polls[0])
	s.polls = s.polls[1:]
	return n, nil
}

// failing is a line that only fails.
type failing struct {
	line
	why error
}

func (f *failing) Fail(why error) { f.why = why }

// proving returns a producer whose first message has been posted, and whose completions have all been taken.
func proving(t *testing.T, polls ...[]verbs.Completion) (p *producer, f *failing) {
	t.Helper()
	m, err := newMirror(fabric.CapacityMin)
	require.NoError(t, err)
	t.Cleanup(func() { m.leave(); m.leave() })
	f = &failing{}
	p = &producer{mirror: m, line: f, proof: make(chan error, 1), most: 3}
	p.f, p.pair = &Fabric{unreached: map[netip.Addr]time.Time{}}, &scripted{polls: polls}
	p.done = make(chan struct{})
	p.mu.Lock()
	require.NoError(t, p.send(0))
	p.mu.Unlock()
	p.listen()
	return p, f
}

// A way that breaks just after its first message was answered has been there: that is no reason to do without, and ends the connection.
func TestProofComesFirst(t *testing.T) {
	for range 20 { // it is drawn which of two events is seen
		p, f := proving(t, []verbs.Completion{{ID: 1}}, []verbs.Completion{{Status: verbs.StatusFlushed}})
		require.NoError(t, p.await(t.Context()))
		require.ErrorIs(t, f.why, fabric.ErrDisconnected)
	}
}

// Why a first message was not answered is said, with whose adapter was not reached: that is left alone once the ring goes by TCP.
func TestNoProof(t *testing.T) {
	p, f := proving(t, []verbs.Completion{{ID: 1, Status: verbs.StatusRetries}})
	p.there.Pair.GID = verbs.GID{0: 0xfd, 15: 1}
	err := p.await(t.Context())
	require.ErrorIs(t, err, fabric.ErrDisconnected)
	require.ErrorContains(t, err, verbs.StatusRetries.String())
	require.NoError(t, f.why)
	at := netip.MustParseAddr("fd00::1")
	require.False(t, p.f.avoids(at))
	p.f.config.Logger = slog.New(slog.DiscardHandler)
	p.f.Fallback("edge", "producer", fmt.Errorf("attach: %w", err))
	require.True(t, p.f.avoids(at))

	why := errors.New("the attach has no more time")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	require.ErrorIs(t, (&producer{proof: make(chan error, 1)}).await(ctx), why)
}

// What was not reached is tried again after a while, and forgotten.
func TestAvoid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &Fabric{unreached: map[netip.Addr]time.Time{}}
		a, b := netip.MustParseAddr("10.1.1.1"), netip.MustParseAddr("10.1.1.2")
		f.avoid(a)
		time.Sleep(retryAfter - time.Nanosecond)
		require.True(t, f.avoids(a))
		require.False(t, f.avoids(b))
		time.Sleep(time.Nanosecond)
		require.False(t, f.avoids(a))
		f.avoid(b)
		require.Len(t, f.unreached, 1)
	})
}

// Whatever lies between two cursors is written by pieces that the port takes, in order, and no more of them than there is room kept for.
func TestPieces(t *testing.T) {
	m, err := newMirror(fabric.CapacityMin)
	require.NoError(t, err)
	defer m.leave()
	defer m.leave()
	require.Equal(t, 3, messageWrites(fabric.CapacityMax, 1<<31))
	rapid.Check(t, func(t *rapid.T) {
		p := producer{mirror: m, capacity: fabric.CapacityMin}
		p.writeMax = rapid.Uint64Range(1000, 2*fabric.CapacityMin).Draw(t, "writeMax")
		p.sent = rapid.Uint64Range(0, 1<<40).Draw(t, "sent")
		tail := p.sent + rapid.Uint64Range(0, fabric.CapacityMin).Draw(t, "new")
		p.pieces(tail)
		require.LessOrEqual(t, len(p.batch)+1, messageWrites(p.capacity, p.writeMax))
		at := p.sent
		for _, w := range p.batch {
			require.LessOrEqual(t, uint64(len(w.Local)), p.writeMax)
			require.Equal(t, at%fabric.CapacityMin, w.To)
			require.Same(t, &m.data()[w.To], &w.Local[0])
			at += uint64(len(w.Local))
		}
		require.Equal(t, tail, at)
	})
}

package rdma_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/rdma/verbsfake"
)

// patience bounds waits on which nothing is judged.
var patience = fabrictest.Patience()

// sides is a ring with both sides open: the producer's on the far host.
type sides struct {
	*hosts
	p   fabric.Producer
	c   fabric.Consumer
	ctx context.Context

	messages uint64 // of hostile ends
}

func newSides(t testing.TB, seed uint64) *sides {
	t.Helper()
	return attached(t, newHosts(t, fabrictest.Config(fabric.CapacityMin), seed))
}

func attached(t testing.TB, h *hosts) *sides {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errors.New("patience ended"))
	t.Cleanup(cancel)
	s := &sides{hosts: h, ctx: ctx}
	var err error
	s.p, err = h.producer()
	require.NoError(t, err)
	s.c, err = h.arena.Consumer()
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = s.p.Close() // of a lost ring it may say so
		require.NoError(t, s.c.Close())
		require.NoError(t, h.arena.Close())
	})
	return s
}

// push makes b the next record, and waits for room if need be.
func (s *sides) push(b []byte) {
	s.t.Helper()
	for {
		room, err := s.p.Claim(len(b))
		if err == nil {
			copy(room, b)
			require.NoError(s.t, s.p.Commit())
			return
		}
		require.ErrorIs(s.t, err, fabric.ErrFull)
		require.NoError(s.t, s.p.Wait(s.ctx))
	}
}

// pop returns the next record.
func (s *sides) pop() []byte {
	s.t.Helper()
	for {
		b, err := s.c.Next()
		if err == nil {
			return b
		}
		require.ErrorIs(s.t, err, fabric.ErrEmpty)
		require.NoError(s.t, s.c.Wait(s.ctx))
	}
}

// producerLoss waits until the producer is lost, and returns why.
func (s *sides) producerLoss() error {
	s.t.Helper()
	for {
		if _, _, err := s.p.Stable(); err != nil {
			require.True(s.t, fabric.Lost(err), "%v", err)
			return err
		}
		require.NoError(s.t, s.p.Wait(s.ctx))
	}
}

// serveEnded waits until the owner has ended a connection, and returns why.
func (s *sides) serveEnded() error {
	s.t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-s.ctx.Done():
		s.t.Fatal("Serve goes on")
		return nil
	}
}

// refused waits until the owner's adapter has refused n writes. A real one does not count.
func (s *sides) refused(n int) {
	s.t.Helper()
	if s.ownerHost != nil {
		require.Eventually(s.t, func() bool { return s.ownerHost.Counts().Refused == n }, patience, time.Millisecond)
	}
}

// deregistered says that a host has nothing registered any more. A real one does not tell.
func (s *sides) deregistered(host *verbsfake.Host) {
	s.t.Helper()
	if host != nil {
		require.Zero(s.t, host.Regions(), "the ring is still registered")
	}
}

// consumerLoss reads until the consumer is lost, and returns why, and how many records came before.
func (s *sides) consumerLoss() (records int, err error) {
	s.t.Helper()
	for {
		_, err := s.c.Next()
		switch {
		case err == nil:
			records++
			continue
		case fabric.Lost(err):
			return records, err
		}
		require.ErrorIs(s.t, err, fabric.ErrEmpty)
		require.NoError(s.t, s.c.Wait(s.ctx))
	}
}

// Whatever the order in which the network does things, records come whole, once and in order, through many turns of the ring.
func TestEverySeed(t *testing.T) {
	seeds := uint64(12)
	if onAdapters != nil {
		seeds = 2 // which orders nothing by them
	}
	for seed := range seeds {
		s := newSides(t, seed)
		random := rand.New(rand.NewPCG(seed, 1))
		const records = 1500
		lengths := make([]int, records)
		for i := range lengths {
			if lengths[i] = random.IntN(300); random.IntN(40) == 0 {
				lengths[i] = random.IntN(fabric.RecordMax(fabric.CapacityMin))
			}
		}
		flushEvery := 1 + random.IntN(20)
		sent := make(chan error, 1)
		go func() { sent <- s.send(lengths, flushEvery) }()
		lag := random.IntN(100)
		for i, n := range lengths {
			b := s.pop()
			require.Len(t, b, n, "record %d with seed %d", i, seed)
			require.Equal(t, filled(i, n), b, "record %d with seed %d", i, seed)
			if i%7 == 0 && i > lag {
				require.NoError(t, s.c.Ack(uint64(i-lag), nil))
			}
			if n > 1000 { // a large one may need all the room that there is
				require.NoError(t, s.c.Ack(uint64(i+1), nil))
				lag = 0
			}
		}
		require.NoError(t, <-sent)
		require.EqualValues(t, records, s.arena.Usage().Committed)
		require.NoError(t, s.p.Close())
		require.NoError(t, s.serveEnded())
	}
}

// send pushes records of these lengths. It is for a goroutine of its own.
func (s *sides) send(lengths []int, flushEvery int) error {
	for i, n := range lengths {
		b, err := s.p.Claim(n)
		for errors.Is(err, fabric.ErrFull) {
			if err = s.p.Wait(s.ctx); err == nil {
				b, err = s.p.Claim(n)
			}
		}
		if err != nil {
			return err
		}
		copy(b, filled(i, n))
		if err := s.p.Commit(); err != nil {
			return err
		}
		if i%flushEvery == 0 || i == len(lengths)-1 {
			if err := s.p.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// filled returns the i-th record of n bytes.
func filled(i, n int) []byte {
	b := make([]byte, n+8)
	for at := 0; at < n; at += 8 {
		binary.LittleEndian.PutUint64(b[at:], uint64(i)<<32|uint64(at))
	}
	return b[:n]
}

package shm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
)

// harmless says whether err is one of the answers that a victim of a hostile peer may get.
func harmless(err error) bool {
	return err == nil || errors.Is(err, fabric.ErrCorrupt) || errors.Is(err, fabric.ErrFull) || errors.Is(err, fabric.ErrEmpty)
}

// scribble writes random words over the first n bytes of m until stop is closed: now and then plausible ones.
func (m mapping) scribble(n int, seed uint64, stop <-chan struct{}) {
	r := rand.New(rand.NewPCG(seed, 1))
	words := unsafe.Slice((*uint64)(m.base), n/8)
	for {
		select {
		case <-stop:
			return
		default:
		}
		at := r.IntN(len(words))
		if r.IntN(2) == 0 {
			at = r.IntN(4) // the cursors
		}
		switch r.IntN(3) {
		case 0:
			words[at] = r.Uint64()
		case 1:
			words[at] += uint64(r.IntN(64))
		case 2:
			words[at] = uint64(r.IntN(1 << 17))
		}
	}
}

// seeds is one run for each seed: two hundred, or a minute's worth where CI has the time.
func seeds() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		until := time.Now().Add(time.Minute)
		for seed := uint64(0); seed < 200 || os.Getenv("GRAFNODE_CI") != "" && time.Now().Before(until); seed++ {
			if !yield(seed) {
				return
			}
		}
	}
}

func TestHostileConsumer(t *testing.T) {
	t.Parallel()
	for seed := range seeds() {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			a, evil := newSpoiled(t, fabrictest.Config(fabric.CapacityMin))
			p, err := a.Producer()
			require.NoError(t, err)
			c, err := a.Consumer()
			require.NoError(t, err)
			stop := make(chan struct{})
			var spoiling sync.WaitGroup
			spoiling.Go(func() { evil.consumer.scribble(consumerBytes(), seed, stop) })
			for i := range 2000 {
				if i%2 == 0 {
					require.True(t, harmless(sendOne(p)))
				} else {
					require.True(t, harmless(sendBatch(p)))
				}
				require.True(t, harmless(waitBriefly(p)))
				_, _, err := p.Resume()
				require.True(t, harmless(err), "%v", err)
				_, _, err = p.Stable()
				require.True(t, harmless(err), "%v", err)
				_, wanted := p.MoveWanted()
				require.True(t, harmless(wanted), "%v", wanted)
				_ = a.Usage()
				if err != nil {
					break
				}
			}
			close(stop)
			spoiling.Wait()
			require.NoError(t, p.Close())
			require.NoError(t, c.Close())
			require.NoError(t, a.Close())
		})
	}
}

func TestHostileProducer(t *testing.T) {
	t.Parallel()
	for seed := range seeds() {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			a, evil := newSpoiled(t, fabrictest.Config(fabric.CapacityMin))
			p, err := a.Producer()
			require.NoError(t, err)
			c, err := a.Consumer()
			require.NoError(t, err)
			for range 3 {
				for range 10 {
					b, err := p.Claim(300)
					require.NoError(t, err)
					clear(b)
					require.NoError(t, p.Commit())
				}
				require.NoError(t, sendBatch(p))
			}
			require.NoError(t, p.Flush())
			stop := make(chan struct{})
			var spoiling sync.WaitGroup
			spoiling.Go(func() { evil.producer.scribble(producerBytes(fabric.CapacityMin), seed, stop) })
			var read uint64
			for range 2000 {
				n, err := readSome(c, read%3)
				require.True(t, harmless(err), "%v", err)
				require.True(t, harmless(waitBriefly(c)))
				_, active := c.Active()
				require.True(t, harmless(active), "%v", active)
				if err == nil {
					read += n
					err = c.Ack(read, []byte("note"))
					require.True(t, harmless(err), "%v", err)
				}
				if errors.Is(err, fabric.ErrCorrupt) {
					break
				}
			}
			close(stop)
			spoiling.Wait()
			require.NoError(t, p.Close())
			require.NoError(t, c.Close())
			require.NoError(t, a.Close())
		})
	}
}

func sendOne(p fabric.Producer) error {
	b, err := p.Claim(300)
	if err != nil {
		return err
	}
	clear(b)
	return errors.Join(p.Commit(), p.Flush())
}

func sendBatch(p fabric.Producer) error {
	batch, err := p.Begin()
	if err != nil {
		return err
	}
	for range 20 {
		b, err := batch.Claim(300)
		if err != nil {
			return errors.Join(err, batch.End())
		}
		clear(b)
		if err := batch.Commit(); err != nil {
			return errors.Join(err, batch.End())
		}
	}
	return batch.End()
}

// readSome reads a record, a row, or what there is, and touches all of it.
func readSome(c fabric.Consumer, how uint64) (uint64, error) {
	switch how {
	case 0:
		b, err := c.Next()
		_ = bytes.Count(b, []byte{1})
		return 1, err
	case 1:
		rows := c.(fabric.Peeker)
		row, err := rows.Peek()
		for i := range row.N {
			_ = bytes.Count(row.At(i), []byte{1})
		}
		rows.Skip(row.N)
		return uint64(row.N), err
	}
	n, err := c.Drain(100, func(b []byte) error {
		_ = bytes.Count(b, []byte{1})
		return nil
	})
	return uint64(n), err
}

// waitBriefly waits under a context that has ended, so that it looks once.
func waitBriefly(w interface{ Wait(context.Context) error }) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.Wait(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// TestDamagedNotes has the damage for which the suite's ring is too far along.
func TestDamagedNotes(t *testing.T) {
	for name, do := range map[string]func(p fabric.Producer, c fabric.Consumer, evil spoiler) error{
		"resume-word": func(p fabric.Producer, c fabric.Consumer, evil spoiler) error {
			evil.consumer.consumer().Resume.Store(2)
			_, _, err := p.Resume()
			return err
		},
		"resume-without-note": func(p fabric.Producer, c fabric.Consumer, evil spoiler) error {
			evil.consumer.consumer().Resume.Store(1)
			_, _, err := p.Resume()
			return err
		},
		"resume-length": func(p fabric.Producer, c fabric.Consumer, evil spoiler) error {
			if err := c.SetResume([]byte("note")); err != nil {
				return err
			}
			note := unsafe.Slice((*byte)(unsafe.Pointer(&evil.consumer.consumer().ResumeNote)), 8)
			binary.LittleEndian.PutUint32(note, 1<<31)
			_, _, err := p.Resume()
			return err
		},
		"stable-backwards": func(p fabric.Producer, c fabric.Consumer, evil spoiler) error {
			if err := c.Ack(0, []byte("note")); err != nil {
				return err
			}
			if _, _, err := p.Stable(); err != nil {
				return err
			}
			evil.consumer.consumer().Stable.Store(0)
			_, _, err := p.Stable()
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, evil := newSpoiled(t, fabrictest.Config(fabric.CapacityMin))
			p, err := a.Producer()
			require.NoError(t, err)
			c, err := a.Consumer()
			require.NoError(t, err)
			require.ErrorIs(t, do(p, c, evil), fabric.ErrCorrupt)
			require.NoError(t, p.Close())
			require.NoError(t, c.Close())
			require.NoError(t, a.Close())
		})
	}
}

// TestHostileEvent shows that no state of the events can block who signals or waits.
func TestHostileEvent(t *testing.T) {
	a, err := New(fabrictest.Config(fabric.CapacityMin))
	require.NoError(t, err)
	p, err := a.Producer()
	require.NoError(t, err)
	c, err := a.Consumer()
	require.NoError(t, err)
	spoil := func(do func(fd int) error) {
		t.Helper()
		require.NoError(t, do(a.bells.producer.fd))
		require.NoError(t, do(a.bells.consumer.fd))
	}
	waitEnds := func() {
		t.Helper()
		why := errors.New("long enough")
		ctx, cancel := context.WithTimeoutCause(context.Background(), 10*time.Millisecond, why)
		defer cancel()
		_, err := c.Next()
		require.ErrorIs(t, err, fabric.ErrEmpty)
		for err = c.Wait(ctx); err == nil; err = c.Wait(ctx) {
		}
		require.ErrorIs(t, err, why)
	}
	spoil(func(fd int) error { return unix.SetNonblock(fd, false) })
	waitEnds()
	spoil(func(fd int) error { // the counter at its end, where any other write waits
		_, err := unix.Write(fd, binary.LittleEndian.AppendUint64(nil, 1<<64-3))
		return err
	})
	waitEnds()
	a.SetDeadline(0)
	p.(*Producer).held.bell.Ring(0)
	spoil(func(fd int) error { // drained
		_, err := unix.Read(fd, make([]byte, 8))
		return err
	})
	waitEnds()
	a.Seal(fabric.ErrRevoked)
	require.ErrorIs(t, p.Flush(), fabric.ErrRevoked)
	require.NoError(t, p.Close())
	require.NoError(t, c.Close())
	require.NoError(t, a.Close())
}

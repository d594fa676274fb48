package fabrictest

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
)

// testHeed has a producer that is spared notes wait, and care for them again while it sleeps, or need room. A lost wake-up ends it.
func testHeed(t *testing.T, newPair Factory) {
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	h, ok := r.p.(fabric.Heeder)
	if !ok {
		return
	}
	wait := func() chan error {
		ended := make(chan error, 1)
		go func() { ended <- r.p.Wait(r.ctx) }()
		return ended
	}
	pushed, acked := uint64(0), uint64(0)
	ack := func() { // everything, with a note
		for ; acked < pushed; acked++ {
			r.await(r.c, "a record", func() bool {
				_, err := r.c.Next()
				if !errors.Is(err, fabric.ErrEmpty) {
					require.NoError(t, err)
				}
				return err == nil
			})
		}
		require.NoError(t, r.c.Ack(acked, binary.LittleEndian.AppendUint64(nil, acked)))
	}
	noted := func() bool {
		_, ok, err := r.p.Stable()
		require.NoError(t, err)
		return ok
	}
	for range 200 {
		h.Heed(false)
		ended := wait()
		r.push([]byte("x"))
		r.flush()
		pushed++
		ack()
		h.Heed(true)
		require.NoError(t, <-ended)
		r.await(r.p, "the note", noted)
	}
	for range 20 {
		h.Heed(false)
		ended := wait()
		for {
			_, err := r.p.Claim(1 << 10)
			if errors.Is(err, fabric.ErrFull) {
				break
			}
			require.NoError(t, err)
			require.NoError(t, r.p.Commit())
			pushed++
		}
		ack()
		require.NoError(t, <-ended, "there is room")
		require.True(t, noted(), "notes are there for who asks")
		r.claim(1 << 10)
		r.p.Abort()
	}
}

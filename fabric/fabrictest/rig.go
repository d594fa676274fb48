package fabrictest

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
)

// patience bounds every wait of the suite. It is no judgement of speed: a healthy fabric never comes near it, unless its machine is an emulated
// one, for which the environment has more of it.
var patience = Patience()

// Patience returns how long the suite waits for what must come, for tests beside it: half a minute, or what GRAFNODE_PATIENCE says.
func Patience() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("GRAFNODE_PATIENCE")); err == nil && d > 0 {
		return d
	}
	return 30 * time.Second
}

// rig is a ring with both sides open.
type rig struct {
	t    testing.TB
	ctx  context.Context
	pair Pair
	p    fabric.Producer
	c    fabric.Consumer
}

type waiter interface{ Wait(context.Context) error }

// newRig opens both sides of a new ring and exchanges a resume note.
func newRig(t testing.TB, newPair Factory, cfg fabric.Config) *rig {
	t.Helper()
	r := newBareRig(t, newPair, cfg)
	require.NoError(t, r.c.SetResume([]byte("start")))
	r.await(r.p, "the resume note", func() bool {
		_, ok, err := r.p.Resume()
		require.NoError(t, err)
		return ok
	})
	return r
}

// newBareRig only opens both sides.
func newBareRig(t testing.TB, newPair Factory, cfg fabric.Config) *rig {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errors.New("the suite's patience ended"))
	t.Cleanup(cancel)
	r := &rig{t: t, ctx: ctx, pair: newPair(t, cfg)}
	t.Cleanup(r.close)
	var err error
	r.p, err = r.pair.Producer()
	require.NoError(t, err)
	r.c, err = r.pair.Consumer()
	require.NoError(t, err)
	return r
}

// close may be called early, by a test that makes many rings.
func (r *rig) close() {
	if r.p != nil {
		require.NoError(r.t, r.p.Close())
	}
	if r.c != nil {
		require.NoError(r.t, r.c.Close())
	}
	require.NoError(r.t, r.pair.Arena.Close())
}

// await waits by w until cond holds.
func (r *rig) await(w waiter, what string, cond func() bool) {
	r.t.Helper()
	for !cond() {
		require.NoError(r.t, w.Wait(r.ctx), "waiting for %s", what)
	}
}

// claim claims n bytes, waiting for room.
func (r *rig) claim(n int) []byte {
	r.t.Helper()
	var b []byte
	r.await(r.p, "room", func() (ok bool) {
		var err error
		if b, err = r.p.Claim(n); errors.Is(err, fabric.ErrFull) {
			require.NoError(r.t, r.p.Flush())
			return false
		}
		require.NoError(r.t, err)
		return true
	})
	require.Len(r.t, b, n)
	return b
}

// push makes b the next record, waiting for room.
func (r *rig) push(b []byte) {
	r.t.Helper()
	copy(r.claim(len(b)), b)
	require.NoError(r.t, r.p.Commit())
}

func (r *rig) flush() {
	r.t.Helper()
	require.NoError(r.t, r.p.Flush())
}

// pop returns the next record, waiting for it.
func (r *rig) pop() []byte {
	r.t.Helper()
	var b []byte
	r.await(r.c, "a record", func() bool {
		var err error
		if b, err = r.c.Next(); errors.Is(err, fabric.ErrEmpty) {
			return false
		}
		require.NoError(r.t, err)
		return true
	})
	return b
}

// arrived waits until n records have reached the ring itself.
func (r *rig) arrived(n uint64) {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return r.pair.Arena.Usage().Committed == n }, patience, time.Millisecond)
}

// record returns the i-th test record: n bytes that no other record has at the same place.
func record(i, n int) []byte {
	b := make([]byte, (n+7)/8*8)
	for j := 0; j < len(b); j += 8 {
		binary.LittleEndian.PutUint64(b[j:], (uint64(i)<<20|uint64(j))*0x9E3779B97F4A7C15)
	}
	return b[:n]
}

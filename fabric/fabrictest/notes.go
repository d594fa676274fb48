package fabrictest

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
)

func testResume(t *testing.T, newPair Factory) {
	for _, note := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("n"), fabric.NoteBytesMax)} {
		r := newBareRig(t, newPair, Config(fabric.CapacityMin))
		_, ok, err := r.p.Resume()
		require.NoError(t, err)
		require.False(t, ok)

		given := bytes.Clone(note)
		require.NoError(t, r.c.SetResume(given))
		clear(given) // the note was copied
		var got []byte
		r.await(r.p, "the resume note", func() bool {
			got, ok, err = r.p.Resume()
			require.NoError(t, err)
			return ok
		})
		require.Equal(t, string(note), string(got))

		again := r.c.SetResume([]byte("another"))
		require.Error(t, again, "a second resume note")
		require.False(t, fabric.Lost(again))
		clear(got) // the slice was ours
		got, ok, err = r.p.Resume()
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, string(note), string(got))
	}
}

func testStable(t *testing.T, newPair Factory) {
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	_, ok, err := r.p.Stable()
	require.NoError(t, err)
	require.False(t, ok)

	stable := func() (note []byte) {
		t.Helper()
		r.await(r.p, "a stable note", func() (ok bool) {
			note, ok, err = r.p.Stable()
			require.NoError(t, err)
			return ok
		})
		return note
	}
	for i, note := range [][]byte{[]byte("one"), {}, bytes.Repeat([]byte("m"), fabric.NoteBytesMax), []byte("four")} {
		r.push(record(i, 10))
		r.flush()
		r.pop()
		given := bytes.Clone(note)
		require.NoError(t, r.c.Ack(uint64(i+1), given))
		clear(given)
		require.Equal(t, string(note), string(stable()))
		_, ok, err := r.p.Stable()
		require.NoError(t, err)
		require.False(t, ok, "the note has not changed")
		require.NoError(t, r.c.Ack(uint64(i+1), nil))
		_, ok, err = r.p.Stable()
		require.NoError(t, err)
		require.False(t, ok, "nil leaves the note")
	}

	// A burst: the latest note is what counts, none is ever mixed with another.
	const last = 500
	for i := range last + 1 {
		require.NoError(t, r.c.Ack(4, bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 400)))
	}
	for seen := -1; seen < last; {
		note := stable()
		require.Len(t, note, 800)
		require.Equal(t, bytes.Repeat(note[:2], 400), note)
		now := int(note[0]) | int(note[1])<<8
		require.Greater(t, now, seen, "notes go forward")
		seen = now
	}
}

// testMisuse shows that a wrong call is refused and does no harm.
func testMisuse(t *testing.T, newPair Factory) {
	r := newBareRig(t, newPair, Config(fabric.CapacityMin))
	refused := func(err error) {
		t.Helper()
		require.Error(t, err)
		require.False(t, fabric.Lost(err), "%v", err)
	}
	long := make([]byte, fabric.NoteBytesMax+1)
	refused(r.c.SetResume(long))
	require.NoError(t, r.c.SetResume(nil))
	refused(r.c.Ack(1, nil)) // nothing was read
	refused(r.p.Commit())    // nothing is claimed
	r.p.Abort()              // the same, and harmless

	r.push([]byte("one"))
	r.push([]byte("two"))
	r.flush()
	r.pop()
	refused(r.c.Ack(2, nil)) // only one was read
	refused(r.c.Ack(1, long))
	r.pop()
	require.NoError(t, r.c.Ack(2, nil))
	require.NoError(t, r.c.Ack(2, nil))
	refused(r.c.Ack(1, nil)) // acks never fall

	r.claim(8)
	_, err := r.p.Claim(8)
	refused(err)
	r.p.Abort()
	r.push([]byte("three"))
	r.flush()
	require.Equal(t, "three", string(r.pop()))
}

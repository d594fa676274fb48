package raftguard

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHelloIsReadAsItWasSaid(t *testing.T) {
	for _, h := range []hello{
		{},
		{kind: forOpinion, process: 1<<63 | 5, index: 7, from: "a", to: "b", cluster: "c.2", about: "d"},
	} {
		b, err := h.bytes()
		require.NoError(t, err)
		got, err := readHello(bytes.NewReader(append(b, "what follows"...)))
		require.NoError(t, err)
		require.Equal(t, h, got)
		for n := range b {
			_, err := readHello(bytes.NewReader(b[:n]))
			require.Error(t, err)
		}
	}
	_, err := hello{cluster: strings.Repeat("x", 256)}.bytes()
	require.ErrorContains(t, err, "longer than 255 bytes")
	old, err := readHello(strings.NewReader("\x04selfwhat follows"))
	require.ErrorIs(t, err, errOld)
	require.EqualValues(t, "self", old.to)
}

func FuzzHello(f *testing.F) {
	for _, h := range []hello{{}, {kind: forProbe, process: 3, from: "a", to: "b", cluster: "c"}} {
		b, err := h.bytes()
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte("\x04self"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := readHello(bytes.NewReader(b))
		if err != nil || errors.Is(err, errOld) {
			return
		}
		again, err := h.bytes()
		require.NoError(t, err)
		require.Equal(t, again, b[:len(again)])
	})
}

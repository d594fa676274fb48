package state_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

func TestEveryDamageOfASnapshotIsNoticed(t *testing.T) {
	whole := bytesOf(t, furnished(t))
	for i := range whole {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 0x10
		_, err := state.Read(bytes.NewReader(damaged))
		require.Error(t, err, "byte %d", i)
		_, err = state.Read(bytes.NewReader(whole[:i]))
		require.ErrorIs(t, err, api.ErrCorrupt, "cut at %d", i)
	}
	_, err := state.Read(bytes.NewReader(append(bytes.Clone(whole), 0)))
	require.ErrorIs(t, err, api.ErrCorrupt)
}

func TestEveryCommandSurvivesTheLog(t *testing.T) {
	all := append(state.Commands(), change("s1", "op", producer("e", 3, "l1"), consumer("f", 0, "l2")),
		state.OpenSession{Session: "s", Token: [32]byte{1, 31: 9}},
		state.PutCheckpoint{Key: "k", Value: []byte{0, 255}, Write: true},
		state.DrainNode{Node: "n", Drain: api.DrainUntilStart}, state.ChangeSpare{Edge: "e", Arm: true, Planned: true},
		state.OpenSession{Session: "s", Rules: api.Rules{{Prefix: "p", Rights: api.Rights}}},
		state.PutToken{Token: "t", Name: "n", Hash: [32]byte{1, 31: 9}, Rules: api.Rules{{Rights: api.Rights}}, Expires: 7}, state.RemoveToken{Token: "t"},
		state.SetEligibility{Node: "n", Ineligible: true}, state.ResizeNode{Node: "n", Incarnation: 1, Memory: 2})
	require.Len(t, state.Commands(), 23)
	for _, c := range all {
		b, err := state.Encode(c, -7)
		require.NoError(t, err)
		got, proposed, err := state.Decode(b)
		require.NoError(t, err)
		require.Equal(t, c, got)
		require.Equal(t, int64(-7), proposed)
		for i := range b {
			damaged := bytes.Clone(b)
			damaged[i] ^= 0x10
			_, _, err := state.Decode(damaged)
			require.Error(t, err, "%T, byte %d", c, i)
		}
	}
}

func TestOversizedCommandsAreRefused(t *testing.T) {
	_, err := state.Encode(state.PutCheckpoint{Value: make([]byte, state.CommandBytesMax)}, 0)
	require.ErrorIs(t, err, api.ErrTooLarge)
}

func FuzzDecode(f *testing.F) {
	for _, c := range append(state.Commands(), state.ChangeSpare{Op: "o", Session: "s", Edge: "e", Expect: 1, Confirm: 2, Arm: true,
		Lease: "l", Node: "n", TTL: lease.TTLDefault, Reason: api.ReasonRingLost, Detail: "d"}) {
		b, err := state.Encode(c, 1)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		// The checksum would hide the decoder behind it from the fuzzer, so it is mended first.
		c, proposed, err := state.Decode(state.Mend(b))
		if err != nil {
			return
		}
		again, err := state.Encode(c, proposed)
		require.NoError(t, err)
		_, _, err = state.Decode(again)
		require.NoError(t, err)
		s := newScript(t)
		s.do(c)
	})
}

func FuzzRead(f *testing.F) {
	f.Add(bytesOf(f, furnished(f)))
	f.Add(bytesOf(f, upgraded(f)))
	f.Add(bytesOf(f, spared(f)))
	f.Add(bytesOf(f, ruled(f)))
	f.Add(bytesOf(f, state.New()))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := state.Read(bytes.NewReader(state.Mend(b)))
		if err != nil {
			return
		}
		reread(t, s)
	})
}

package rdma

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// What the other end says is read whole or refused, and a region that it names has the room that is wanted of it.
func FuzzDecode(f *testing.F) {
	f.Add(encode(offer{Version: version}))
	f.Add(encode(answer{Ring: verbs.Remote{At: 1 << 47, Bytes: 1 << 16, Key: 7}}))
	f.Add(encode(answer{Words: verbs.Remote{At: ^uint64(0), Bytes: slotsBytes}}))
	f.Add(`{"v":1,"pair":{"gid":[1]}}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, text string) {
		var o offer
		if decode(text, &o) == nil && o.validate() == nil {
			require.Equal(t, version, o.Version)
		}
		var a answer
		if decode(text, &a) == nil && holds(a.Words, slotsBytes) == nil {
			require.GreaterOrEqual(t, a.Words.At+slotsBytes, a.Words.At)
		}
	})
}

// Of the writes under way one always says that it is done, however they come and go, and there are never more than there is room for.
func TestWindowAlwaysHearsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w window
		var saying []uint64 // IDs that complete, oldest first
		for range 200 {
			n := rapid.IntRange(1, messageMax).Draw(t, "writes")
			if w.free() >= n && rapid.Bool().Draw(t, "post") {
				ws := make([]verbs.Write, n)
				w.number(ws, false)
				for _, p := range ws {
					if p.Signaled {
						saying = append(saying, p.ID)
					}
				}
			} else if len(saying) > 0 {
				require.NoError(t, w.completed(saying[0]))
				saying = saying[1:]
			}
			require.GreaterOrEqual(t, w.free(), 0)
			if w.free() < messageMax {
				require.NotEmpty(t, saying, "full, and nothing will complete")
			}
		}
		require.Error(t, w.completed(w.done))
		require.Error(t, w.completed(w.posted+1))
	})
}

func TestExtend(t *testing.T) {
	require.EqualValues(t, 5, extend(3, 5, 32))
	require.EqualValues(t, 3, extend(3, 3, 32))
	require.EqualValues(t, 1<<32+2, extend(1<<32-1, 2, 32))
	require.EqualValues(t, 7<<32+9, extend(7<<32, 9, 32))
	require.EqualValues(t, 9, extend(6, 1, 3))
	require.EqualValues(t, 1<<40+7, extend(1<<40, 7, 3))
}

// What an owner says in 32 bits is heard whole, wherever the cursor and the grants are, if no more than a ring and a queue of receives is new.
func TestSayingIsHeard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		acked := rapid.Uint64Range(0, 1<<60).Draw(t, "acked")
		grants := rapid.Uint64Range(0, 1<<60).Draw(t, "grants")
		acked &^= 7
		freed := rapid.Uint64Range(0, fabric.CapacityMax).Draw(t, "freed") &^ 7
		granted := rapid.Uint64Range(0, ownerReceives/grantEach).Draw(t, "granted")
		heardAcked, heardGrants := said(saying(acked+freed, grants+granted), acked, grants)
		require.Equal(t, acked+freed, heardAcked)
		require.Equal(t, grants+granted, heardGrants)
	})
}

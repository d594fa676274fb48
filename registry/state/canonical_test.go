package state

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// drawn fills what v points at.
func drawn(t *rapid.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				drawn(t, f)
			}
		}
	case reflect.String:
		n := rapid.SampledFrom([]int{0, 1, 31, 32, 255, 256, 70_000}).Draw(t, "length")
		v.SetString(string(make([]byte, max(0, n-1))) + "é"[:min(n, 1)])
	case reflect.Uint64:
		v.SetUint(rapid.SampledFrom([]uint64{0, 1, 127, 128, 255, 256, 1<<16 - 1, 1 << 16, 1<<32 - 1, 1 << 32, math.MaxUint64}).Draw(t, "n"))
	case reflect.Int64, reflect.Int:
		v.SetInt(rapid.SampledFrom([]int64{0, 1, -1, -32, -33, 127, 128, -128, -129, 1<<15 - 1, 1 << 15, -1 << 15, -1<<15 - 1, 1<<31 - 1,
			1 << 31, -1 << 31, -1<<31 - 1, math.MaxInt64, math.MinInt64}).Draw(t, "i"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(rapid.Byte().Draw(t, "byte")))
		}
	case reflect.Slice:
		n := rapid.SampledFrom([]int{-1, 0, 1, 15, 16}).Draw(t, "count")
		if n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				drawn(t, v.Index(i))
			}
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "set") {
			v.Set(reflect.New(v.Type().Elem()))
			drawn(t, v.Elem())
		}
	default:
		t.Fatalf("%s", v.Type())
	}
}

func all() []fielded {
	return []fielded{&savedRecord{}, &Past{}, &Op{}, &Lease{}, &Session{}, &Ended{}, &ChangeEdges{}, &EdgeChange{}, &Allowance{}, &Expire{},
		&Spare{}, &ChangeSpare{}}
}

// Both codecs write the same bytes for every value, and read the same value from them.
func TestCanonicalIsMsgpack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, v := range all() {
			drawn(t, reflect.ValueOf(v).Elem())
			want, err := encodeReflected(v)
			require.NoError(t, err)
			require.Equal(t, want, write(nil, v), "%T", v)
			again := reflect.New(reflect.TypeOf(v).Elem())
			f := again.Interface().(fielded)
			if !read(want, f, map[string]string{}) {
				require.Greater(t, len(want), 1<<16, "%T %x", v, want) // texts as long as that are msgpack's
				continue
			}
			other := reflect.New(reflect.TypeOf(v).Elem()).Interface()
			require.NoError(t, decodeReflected(want, other))
			require.Equal(t, other, f)
		}
	})
}

// What canonical accepts msgpack accepts as well, as the same.
func FuzzCanonical(f *testing.F) {
	for i, v := range all() {
		f.Add(uint8(i), write(nil, v))
	}
	f.Add(uint8(0), write(nil, &savedRecord{
		Record: Record{Name: "e", Generation: 3, Lease: "l", Node: "n", Capacity: 1 << 20, Codec: "c", Changed: -1, Made: []string{"o"},
			Producer: api.Side{Stage: "s", Session: "s1", Node: "n", Epoch: 2}},
		Past: []Past{{Revision: 9, Generation: 3, Node: "n", Reason: api.ReasonTakeover, Detail: "d", At: time.Hour.Nanoseconds()}},
	}))
	f.Add(uint8(0), write(nil, &savedRecord{Record: Record{Name: "e", Spare: &Spare{Generation: 7, Lease: "l", Op: Op{ID: "o"}}}, Past: []Past{{Spare: 7}}}))
	f.Add(uint8(11), write(nil, &ChangeSpare{Op: "o", Confirm: 7, Arm: true, TTL: 1}))
	f.Add(uint8(3), write(nil, &Lease{ID: "l", Kind: lease.KindBlock, Node: locator.NodeID("n"), Epoch: fence.Epoch(1), TTL: -1, Asked: "x"}))
	f.Add(uint8(6), []byte{0x86, 0xa6, 'D', 'e', 't', 'a', 'i', 'l', 0xa0, 0xa5, 'E', 'd', 'g', 'e', 's', 0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		kinds := all()
		v := kinds[int(which)%len(kinds)]
		if !read(b, v, nil) {
			return
		}
		other := reflect.New(reflect.TypeOf(v).Elem()).Interface()
		require.NoError(t, decodeReflected(b, other))
		require.Equal(t, other, v)
	})
}

package handoff_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// What is acknowledged frees as many records as it would if each were remembered by itself, whatever the runs that they make.
func TestRunsFreeWhatIsAcknowledged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size, stride = handoff.HeaderBytes + 8, 48
		var all []position.Position
		last := map[position.Lane]position.Position{}
		r := handoff.NewReceiver(position.Vector{}, false)
		r.Bind(1)
		s := new(handoff.Sender)
		s.Bind(1)
		s.SetCheck(handoff.CheckHeader)
		require.NoError(t, s.Resume(position.Vector{}))
		acked, freed := map[position.Lane]position.Position{}, 0
		for range rapid.IntRange(1, 10).Draw(t, "rounds") {
			lane := position.Lane(rapid.IntRange(0, 1).Draw(t, "lane"))
			step, flat := rapid.Uint64Range(1, 3).Draw(t, "step"), rapid.Bool().Draw(t, "one input's")
			var data []byte
			from := len(all)
			for range rapid.IntRange(1, 20).Draw(t, "items") {
				p := last[lane]
				p.Lane = lane
				if flat {
					p.Sub++
				} else {
					p.Offset += step
				}
				last[lane] = p
				require.NoError(t, s.Push(handoff.Entry{Pos: p, Kind: handoff.Item, Payload: make([]byte, 8)}))
				e, seq := s.Next()
				b := make([]byte, stride)
				s.Write(b[:size], e, seq)
				s.Sent()
				data = append(data, b...)
				all = append(all, p)
			}
			at := make([]position.Position, len(all)-from)
			for n := 0; n < len(at); {
				many := r.AcceptItems(data[n*stride:], size, stride, at[n:])
				require.Equal(t, all[from+n:from+n+many], at[n:n+many])
				if n += many; n < len(at) { // a lane's first
					var e handoff.Entry
					fresh, err := r.Accept(data[n*stride:][:size], &e)
					require.NoError(t, err)
					require.True(t, fresh)
					n++
				}
			}
			held := rapid.IntRange(0, len(at)).Draw(t, "held")
			r.Hold(held)
			p := all[rapid.IntRange(0, len(all)-1).Draw(t, "acked")]
			require.NoError(t, r.Ack(p))
			if old, ok := acked[p.Lane]; !ok || old.Before(p) {
				acked[p.Lane] = p
			}
			for ; freed < len(all)-held; freed++ {
				if upto, ok := acked[all[freed].Lane]; !ok || upto.Before(all[freed]) {
					break
				}
			}
			records, bytes := r.Settle()
			require.Equal(t, []int{freed, freed * size}, []int{int(records), int(bytes)})
			require.Equal(t, len(all)-freed, r.Pending())
		}
	})
}

// Records that are not the next items are left for Accept to say why.
func TestAcceptItemsStopsAtWhatIsNone(t *testing.T) {
	const size = handoff.HeaderBytes + 8
	for damaged := range handoff.HeaderBytes {
		s, r := new(handoff.Sender), handoff.NewReceiver(position.Vector{}, false)
		s.Bind(1)
		r.Bind(1)
		s.SetCheck(handoff.CheckHeader)
		require.NoError(t, s.Resume(position.Vector{}))
		var data []byte
		for i := range 4 {
			require.NoError(t, s.Push(handoff.Entry{Pos: position.Position{Offset: uint64(i + 1)}, Kind: handoff.Item, Payload: make([]byte, 8)}))
			e, seq := s.Next()
			b := make([]byte, size)
			s.Write(b, e, seq)
			s.Sent()
			data = append(data, b...)
		}
		var e handoff.Entry
		_, err := r.Accept(data[:size], &e)
		require.NoError(t, err)
		data[2*size+damaged] ^= 1
		at := make([]position.Position, 3)
		require.Equal(t, 1, r.AcceptItems(data[size:], size, size, at), "byte %d", damaged)
		_, err = r.Accept(data[2*size:3*size], &e)
		require.ErrorIs(t, err, handoff.ErrDamaged)
		require.Zero(t, r.AcceptItems(data[3*size:], handoff.HeaderBytes-1, size, at[:1]))
	}
}

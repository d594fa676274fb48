package tcp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
)

// wire is a connection whose far end is a buffer.
type wire struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (w *wire) Read(b []byte) (int, error)      { return w.in.Read(b) }
func (w *wire) Write(b []byte) (int, error)     { return w.out.Write(b) }
func (w *wire) SetReadDeadline(time.Time) error { return nil }
func (w *wire) Close() error                    { return nil }

const testGeneration fence.Epoch = 7

func linkOver(w *wire) *link {
	l := newLink(w)
	l.attach(Hello{Generation: testGeneration, Heartbeat: HeartbeatDefault})
	return l
}

func frameOf(k kind, flags byte, number uint64, payload []byte) []byte {
	b := append(make([]byte, headerBytes), payload...)
	seal(b, nil, k, flags, testGeneration, number)
	return b
}

// pile is a store that keeps everything.
type pile struct {
	open    []byte
	records [][]byte
}

func (p *pile) claim(n int) ([]byte, error) { p.open = make([]byte, n); return p.open, nil }
func (p *pile) commit() error               { p.records = append(p.records, p.open); return nil }

// What is put into an outbox, with flushes anywhere, comes out of the inbox: the same records, each in one piece.
func TestRecordsSurviveFraming(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &wire{}
		out := newOutbox(linkOver(w))
		var want [][]byte
		size := rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(wholeMax-9, wholeMax+9), rapid.IntRange(0, 200_000))
		for i := range rapid.IntRange(1, 40).Draw(t, "records") {
			record := bytes.Repeat([]byte{byte(i)}, size.Draw(t, "size"))
			room := out.claim(len(record))
			if rapid.Bool().Draw(t, "flush within the claim") {
				require.NoError(t, out.flush())
			}
			copy(room, record)
			if rapid.IntRange(0, 9).Draw(t, "abort") == 0 {
				continue
			}
			require.NoError(t, out.commit(len(record)))
			want = append(want, record)
		}
		require.NoError(t, out.flush())

		w.in = bytes.NewReader(w.out.Bytes())
		in, got := linkOver(w), &pile{}
		box := inbox{to: got, recordMax: 200_000}
		for {
			f, err := in.next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			require.NoError(t, box.take(f))
		}
		require.Len(t, got.records, len(want))
		for i := range want {
			require.True(t, bytes.Equal(want[i], got.records[i]), "record %d", i)
		}
	})
}

// Any one bit wrong in a frame is found, or the frame never completes.
func TestEveryBitIsChecked(t *testing.T) {
	good := frameOf(kindAck, flagNote, 12345, []byte("a stable note"))
	for bit := range len(good) * 8 {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		_, err := linkOver(&wire{in: bytes.NewReader(bad)}).next()
		require.Error(t, err, "bit %d", bit)
		require.True(t, errors.Is(err, fabric.ErrCorrupt) || errors.Is(err, io.EOF), "bit %d: %v", bit, err)
	}
}

func TestInboxRefusesWhatDoesNotFollow(t *testing.T) {
	record := func(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }
	piece := func(total, at int, part string) []byte {
		return append(binary.LittleEndian.AppendUint32(record(total), uint32(at)), part...)
	}
	for why, frames := range map[string][]frame{
		"a gap":                  {{kind: kindRecords, number: 1, payload: record(0)}},
		"a repeat":               {{kind: kindRecords, payload: record(0)}, {kind: kindRecords, payload: record(0)}},
		"half a length":          {{kind: kindRecords, payload: []byte{0, 0, 0, 0, 1}}},
		"more than the frame":    {{kind: kindRecords, payload: record(1)}},
		"more than the ring":     {{kind: kindPiece, payload: piece(1001, 0, "x")}},
		"four billion":           {{kind: kindPiece, payload: piece(1<<32-1, 0, "x")}},
		"a piece from the midst": {{kind: kindPiece, payload: piece(10, 5, "x")}},
		"a hole":                 {{kind: kindPiece, payload: piece(10, 0, "x")}, {kind: kindPiece, payload: piece(10, 2, "x")}},
		"another length":         {{kind: kindPiece, payload: piece(10, 0, "x")}, {kind: kindPiece, payload: piece(11, 1, "x")}},
		"too much of it":         {{kind: kindPiece, payload: piece(2, 0, "xyz")}},
		"a piece of nothing":     {{kind: kindPiece, payload: piece(0, 0, "x")}},
		"a record in between":    {{kind: kindPiece, payload: piece(10, 0, "x")}, {kind: kindRecords, payload: record(0)}},
	} {
		in := inbox{to: &pile{}, recordMax: 1000}
		var err error
		for _, f := range frames {
			require.NoError(t, err, why)
			err = in.take(f)
		}
		require.ErrorIs(t, err, fabric.ErrCorrupt, why)
	}
}

// Whatever comes, a remote consumer keeps no more than it may, and each record is what its length says.
func FuzzFrames(f *testing.F) {
	records := binary.LittleEndian.AppendUint32(nil, 3)
	f.Add(frameOf(kindRecords, 0, 0, append(records, "abc"...)))
	f.Add(append(frameOf(kindPiece, 0, 0, append(make([]byte, 8), 'x')), frameOf(kindBeat, 0, 0, nil)...))
	f.Add(frameOf(kindSeal, 0, 0, []byte(`{"kind":"ring-sealed","message":"moved on"}`)))
	f.Add(frameOf(kindAck, flagNote, 1<<63, nil))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n.............."))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l := linkOver(&wire{in: bytes.NewReader(raw)})
		held := newSlabs(fabric.CapacityMin)
		in := inbox{to: held, recordMax: fabric.RecordMax(fabric.CapacityMin)}
		for {
			got, err := l.next()
			if err != nil {
				break
			}
			require.LessOrEqual(t, len(got.payload), shapes[got.kind].maxLen)
			if got.kind == kindSeal {
				require.True(t, fabric.Lost(decodeRefusal(got.payload)))
			}
			if got.kind == kindRecords || got.kind == kindPiece {
				if err = in.take(got); err != nil {
					require.ErrorIs(t, err, fabric.ErrCorrupt)
					break
				}
			}
		}
		held.publish()
		var v view
		for n := uint64(0); n < in.next; n++ {
			b := v.record()
			if b == nil {
				require.True(t, held.look(&v))
				b = v.record()
			}
			require.LessOrEqual(t, len(b), in.recordMax)
		}
		require.False(t, held.look(&v))
	})
}

// The checks behind the checksum must hold without it: payloads of any kind of records frame.
func FuzzInbox(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 'a'}, false)
	f.Add([]byte{2, 0, 0, 0, 0, 0, 0, 0, 'a', 'b'}, true)
	f.Fuzz(func(t *testing.T, payload []byte, pieces bool) {
		fr := frame{kind: kindRecords, payload: payload}
		if pieces {
			fr.kind = kindPiece
		}
		if len(payload) < shapes[fr.kind].minLen || len(payload) > payloadMax {
			return
		}
		in := inbox{to: newSlabs(fabric.CapacityMin), recordMax: fabric.RecordMax(fabric.CapacityMin)}
		if err := in.take(fr); err != nil {
			require.ErrorIs(t, err, fabric.ErrCorrupt)
		}
	})
}

func FuzzHello(f *testing.F) {
	good := Hello{Edge: "a.b", Generation: 3, Arena: "x", Role: fabric.RoleProducer, Session: "s", Token: "t", Revision: 9, Heartbeat: HeartbeatDefault}
	var b bytes.Buffer
	require.NoError(f, writeMessage(&b, good))
	f.Add(b.Bytes())
	f.Add([]byte{255, 255, 255, 255})
	f.Add([]byte("\x14\x00\x00\x00{\"unknown\":\"field\"}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := readHello(bytes.NewReader(raw))
		if err != nil {
			return
		}
		require.NoError(t, h.Validate())
		var again bytes.Buffer
		require.NoError(t, writeMessage(&again, h))
		same, err := readHello(&again)
		require.NoError(t, err)
		require.Equal(t, h, same)
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("\x14\x00\x00\x00{\"capacity\":1048576}"))
	f.Add([]byte("\x1d\x00\x00\x00{\"error\":{\"kind\":\"ring-taken\"}}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		capacity, err := readAnswer(bytes.NewReader(raw))
		if err == nil {
			require.LessOrEqual(t, capacity, fabric.CapacityMax)
			require.GreaterOrEqual(t, capacity, fabric.CapacityMin)
		}
	})
}

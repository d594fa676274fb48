package tcp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/inproc"
	"github.com/grafnode/grafnode/fence"
)

// wire is a connection whose far end is a buffer.
type wire struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (w *wire) Read(b []byte) (int, error)       { return w.in.Read(b) }
func (w *wire) Write(b []byte) (int, error)      { return w.out.Write(b) }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
func (w *wire) Close() error                     { return nil }

const testGeneration fence.Epoch = 7

func linkOver(w *wire) *link {
	l := newLink(w)
	l.attach(Hello{Generation: testGeneration, Heartbeat: HeartbeatDefault})
	return l
}

func frameOf(k kind, flags byte, number uint64, payload []byte) []byte {
	b := append(make([]byte, headerBytes), payload...)
	seal(b[:headerBytes], payload, k, flags, testGeneration, number)
	return b
}

// stretch returns records as they lie in a ring from at on.
func stretch(at uint64, records ...string) []byte {
	var b []byte
	for _, r := range records {
		head := fabric.Header(fabric.Seed(uint64(testGeneration)), at+uint64(len(b)), uint32(len(r)), 1)
		b = append(binary.LittleEndian.AppendUint64(b, head), r...)
		b = append(b, make([]byte, -len(b)&7)...)
	}
	return b
}

// row returns records of one length under one header.
func row(at uint64, n, count int) []byte {
	head := fabric.Header(fabric.Seed(uint64(testGeneration)), at, uint32(n), uint32(count))
	return append(binary.LittleEndian.AppendUint64(nil, head), make([]byte, (n+7)&^7*count)...)
}

// take gives what is in raw to handle, until it ends or is refused.
func take(l *link, handle func(frame) error) error {
	for {
		f, err := l.next()
		if err == nil {
			err = handle(f)
		}
		if err != nil {
			return err
		}
	}
}

const wireCapacity = 1 << 20

// write draws records and claims, and writes them with flushes anywhere, over a wire, until the ring is nearly full.
func write(t *rapid.T, w *wire) (want [][]byte) {
	p := newProducer(linkOver(w), wireCapacity)
	size := rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(wholeMax-9, wholeMax+9), rapid.IntRange(0, fabric.RecordMax(wireCapacity)))
	for i := range rapid.IntRange(1, 40).Draw(t, "records") {
		record := bytes.Repeat([]byte{byte(i)}, size.Draw(t, "size"))
		room, err := p.Claim(len(record))
		if errors.Is(err, fabric.ErrFull) {
			continue
		}
		require.NoError(t, err)
		if rapid.Bool().Draw(t, "flush within the claim") {
			require.NoError(t, p.Flush())
		}
		copy(room, record)
		if rapid.IntRange(0, 9).Draw(t, "abort") == 0 {
			p.Abort()
			continue
		}
		require.NoError(t, p.Commit())
		want = append(want, record)
	}
	require.NoError(t, p.Flush())
	return want
}

// withoutShort drops the frames by which a producer asks for credit, which no consumer gets.
func withoutShort(handle func(frame) error) func(frame) error {
	return func(f frame) error {
		if f.kind == kindShort {
			return nil
		}
		return handle(f)
	}
}

func requireRecords(t require.TestingT, want [][]byte, next func() ([]byte, error)) {
	for i := range want {
		got, err := next()
		require.NoError(t, err)
		require.True(t, bytes.Equal(want[i], got), "record %d", i)
	}
	_, err := next()
	require.ErrorIs(t, err, fabric.ErrEmpty)
}

// What a producer writes, with flushes anywhere, is what a consumer finds.
func TestRecordsSurviveTheWayToAConsumer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &wire{}
		want := write(t, w)
		w.in = bytes.NewReader(w.out.Bytes())
		c := newConsumer(linkOver(w), wireCapacity)
		require.ErrorIs(t, take(c.l, withoutShort(c.handle)), io.EOF)
		requireRecords(t, want, c.Next)
		require.NoError(t, c.Ack(uint64(len(want)/2), nil))
		require.NoError(t, c.Ack(uint64(len(want)), nil))
		require.Equal(t, c.read.cursor, c.done.cursor)
		require.LessOrEqual(t, c.slabs.bytes, max(c.slabs.slabBytes, len(c.slabs.tail.buf)), "acked slabs are given back")
	})
}

// It is also what the ring's own consumer finds, and what an owner sends to a remote one.
func TestRecordsSurviveTheWayThroughARing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &wire{}
		want := write(t, w)
		arena, err := inproc.New(fabric.Config{Arena: "arena", Edge: "a.b", Generation: testGeneration, Capacity: wireCapacity})
		require.NoError(t, err)
		p, err := arena.Producer()
		require.NoError(t, err)
		w.in = bytes.NewReader(w.out.Bytes())
		owner := newProducerEnd(linkOver(w), arena, p.(writeEnd))
		require.ErrorIs(t, take(owner.l, owner.handle), io.EOF)
		require.EqualValues(t, len(want), arena.Usage().Committed)

		ring, err := arena.Consumer()
		require.NoError(t, err)
		w.out.Reset()
		reader := &consumerEnd{l: linkOver(w), ring: ring.(readEnd)}
		done, cancel := context.WithCancel(context.Background())
		cancel()
		require.ErrorIs(t, reader.pump(done), context.Canceled)
		w.in = bytes.NewReader(w.out.Bytes())
		c := newConsumer(linkOver(w), wireCapacity)
		require.ErrorIs(t, take(c.l, c.handle), io.EOF)
		requireRecords(t, want, c.Next)
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
		require.True(t, errors.Is(err, fabric.ErrCorrupt) || errors.Is(err, io.ErrUnexpectedEOF), "bit %d: %v", bit, err)
	}
}

// spoilt are payloads of frames of records that begin at byte 0, none of which any side may take for records.
func spoilt() map[string][]byte {
	good := stretch(0, "first", "second")
	header := bytes.Clone(good)
	header[16+4]++ // of the second record
	return map[string][]byte{
		"elsewhere's":        stretch(8, "first"),
		"a bad header":       header,
		"a cut record":       good[:24],
		"more than the ring": stretch(0, string(make([]byte, fabric.RecordMax(fabric.CapacityMin)+1))),
		"no multiple":        good[:len(good)-1],
		"row of nothing":     row(0, 0, 2),
		"row of too much":    row(0, 100, 200),
		"row in part":        row(0, 100, 3)[:312],
		"row over the end":   append(stretch(0, slices.Repeat([]string{string(make([]byte, 8184))}, 7)...), row(7*8192, 1000, 16)...),
		"behind the end":     stretch(0, append(slices.Repeat([]string{string(make([]byte, 8184))}, 8), "behind the end")...),
	}
}

func TestOwnerRefusesWhatIsNoStretch(t *testing.T) {
	for why, payload := range spoilt() {
		arena, err := inproc.New(hostileConfig)
		require.NoError(t, err)
		p, err := arena.Producer()
		require.NoError(t, err)
		frames := append(frameOf(kindRecords, 0, 0, payload), frameOf(kindRecords, 0, uint64(len(payload)), stretch(uint64(len(payload)), "third"))...)
		e := newProducerEnd(linkOver(&wire{in: bytes.NewReader(frames)}), arena, p.(writeEnd))
		require.ErrorIs(t, take(e.l, e.handle), fabric.ErrCorrupt, why)
	}
}

func TestConsumerRefusesWhatIsNoStretch(t *testing.T) {
	for why, payload := range spoilt() {
		if why == "behind the end" || why == "row over the end" {
			continue // its memory is no ring
		}
		frames := append(frameOf(kindRecords, 0, 0, payload), frameOf(kindRecords, 0, uint64(len(payload)), stretch(uint64(len(payload)), "third"))...)
		c := newConsumer(linkOver(&wire{in: bytes.NewReader(frames)}), fabric.CapacityMin)
		err := take(c.l, c.handle)
		for errors.Is(err, io.EOF) {
			if _, err = c.Next(); err == nil {
				err = io.EOF
			}
		}
		require.ErrorIs(t, err, fabric.ErrCorrupt, why)
	}
}

func addFrames(f *testing.F) {
	f.Add(frameOf(kindRecords, 0, 0, stretch(0, "abc", "")))
	f.Add(frameOf(kindRecords, 0, 0, append(row(0, 3, 5), row(48, 100, 2)...)))
	f.Add(append(frameOf(kindRecords, 0, 0, stretch(0, "a record that goes on")[:16]), frameOf(kindRecords, 0, 16, stretch(0, "a record that goes on")[16:])...))
	f.Add(frameOf(kindSeal, 0, 0, []byte(`{"kind":"ring-sealed","message":"moved on"}`)))
	f.Add(frameOf(kindAck, flagNote, 1<<63, nil))
	f.Add(append(frameOf(kindShort, 0, 1<<16+8, nil), frameOf(kindCredit, 0, 1<<63, nil)...))
	f.Add(append(frameOf(kindActive, 0, 0, nil), frameOf(kindWant, 0, 0, nil)...))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n.............."))
}

// resealed makes the checksums of whatever frames are in raw right, so that the checks behind them are reached.
func resealed(raw []byte) []byte {
	b := bytes.Clone(raw)
	for at := 0; at+headerBytes <= len(b); {
		header := b[at : at+headerBytes]
		n, err := payloadLen(header)
		if err != nil || at+headerBytes+n > len(b) {
			break
		}
		_, number := numbers(header)
		seal(header, b[at+headerBytes:at+headerBytes+n], kind(header[atKind]), header[atFlags], testGeneration, number)
		at += headerBytes + n
	}
	return b
}

// Whatever comes, a remote consumer keeps no more than it may, and hands out records that it has room for.
func FuzzFrames(f *testing.F) {
	addFrames(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, raw := range [][]byte{raw, resealed(raw)} {
			c := newConsumer(linkOver(&wire{in: bytes.NewReader(raw)}), fabric.CapacityMin)
			require.Error(t, take(c.l, c.handle))
			require.LessOrEqual(t, c.slabs.bytes, c.slabs.bytesMax)
			for err := error(nil); err == nil; {
				var b []byte
				b, err = c.Next()
				require.LessOrEqual(t, len(b), fabric.RecordMax(fabric.CapacityMin))
				require.True(t, err == nil || errors.Is(err, fabric.ErrEmpty) || fabric.Lost(err), "%v", err)
			}
		}
	})
}

// Whatever comes, an owner writes records into the ring, or nothing.
func FuzzOwner(f *testing.F) {
	addFrames(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, raw := range [][]byte{raw, resealed(raw)} {
			arena, err := inproc.New(hostileConfig)
			require.NoError(t, err)
			p, err := arena.Producer()
			require.NoError(t, err)
			c, err := arena.Consumer()
			require.NoError(t, err)
			e := newProducerEnd(linkOver(&wire{in: bytes.NewReader(raw)}), arena, p.(writeEnd))
			require.Error(t, take(e.l, e.handle))
			for n := uint64(0); n < arena.Usage().Committed; n++ {
				_, err := c.Next()
				require.NoError(t, err)
			}
			_, err = c.Next()
			require.ErrorIs(t, err, fabric.ErrEmpty)
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
	f.Add([]byte("\x12\x00\x00\x00{\"capacity\":65544}"))
	f.Add([]byte("\x1d\x00\x00\x00{\"error\":{\"kind\":\"ring-taken\"}}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		said, err := readAnswer(bytes.NewReader(raw), func() {})
		if capacity := said.Capacity; err == nil {
			require.LessOrEqual(t, capacity, fabric.CapacityMax)
			require.GreaterOrEqual(t, capacity, fabric.CapacityMin)
			require.Zero(t, capacity&(capacity-1), "no ring has such a capacity")
		}
	})
}

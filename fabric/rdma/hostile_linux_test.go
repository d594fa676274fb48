package rdma_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// The hostile end has a pair that is connected, and writes with it what it likes: more than it can do by the package.

// message is a producer's: the cursor tail, in bytes, with what the words say. It is to be posted before anything else is.
func (s *sides) message(tail, records, short, receives uint64) verbs.Write {
	const receivesThere, wordsBytes = 128, 24
	slot := (s.far.Stats().Posts + s.messages) % receivesThere
	s.messages++
	var b []byte
	for _, v := range []uint64{records, short, receives} {
		b = binary.NativeEndian.AppendUint64(b, v)
	}
	words := s.ownerPair().Region(1).Remote()
	return verbs.Write{ID: 1 << 40, Local: b, To: words.At + slot*wordsBytes, RKey: words.Key, Inline: true, WithImm: true, Imm: uint32(tail >> 3)}
}

// record is a write of b at an offset of the ring's memory.
func (s *sides) record(at uint64, b []byte) verbs.Write {
	ring := s.ownerPair().Region(0).Remote()
	return verbs.Write{ID: 1 << 40, Local: b, To: ring.At + at, RKey: ring.Key, Inline: true}
}

func (s *sides) header(at uint64, n uint32) []byte {
	seed := fabric.Seed(uint64(s.arena.Config().Generation))
	return binary.LittleEndian.AppendUint64(nil, fabric.Header(seed, at, n, 1))
}

// far posts with the producer's pair.
func (s *sides) hostile(ws ...verbs.Write) {
	s.t.Helper()
	require.NoError(s.t, s.farPair().Post(ws))
}

// Whatever cursor a producer tells, it ends its own way, and the consumer sees no record that is none.
func TestHostileCursors(t *testing.T) {
	for name, tail := range map[string]uint64{
		"behind":         0,
		"beyond-credit":  fabric.CapacityMin + 64 + 8,
		"far-beyond":     1 << 34,
		"once-around":    (1 << 35) - 8,
		"half-the-range": 1 << 33,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSides(t, 5)
			s.push(make([]byte, 56))
			require.NoError(t, s.p.Flush())
			s.pop()
			s.hostile(s.message(tail, 1, 0, 16))
			require.ErrorIs(t, s.producerLoss(), fabric.ErrCorrupt)
			require.ErrorIs(t, s.serveEnded(), fabric.ErrCorrupt)
			_, err := s.c.Next()
			require.ErrorIs(t, err, fabric.ErrEmpty)
		})
	}
}

// What stands in the memory behind a good cursor is the consumer's to check, as with a producer of its own host.
func TestHostileRecords(t *testing.T) {
	for name, damage := range map[string]func(*sides) []verbs.Write{
		"no-header": func(s *sides) []verbs.Write { return []verbs.Write{s.message(64, 1, 0, 16)} },
		"other-place": func(s *sides) []verbs.Write {
			return []verbs.Write{s.record(0, s.header(8, 8)), s.message(16, 1, 0, 16)}
		},
		"longer-than-all": func(s *sides) []verbs.Write {
			return []verbs.Write{s.record(0, s.header(0, 100)), s.message(16, 1, 0, 16)}
		},
		"too-long": func(s *sides) []verbs.Write {
			return []verbs.Write{s.record(0, s.header(0, fabric.CapacityMin/2)), s.message(fabric.CapacityMin/2+8, 1, 0, 16)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSides(t, 6)
			s.hostile(damage(s)...)
			records, err := s.consumerLoss()
			require.ErrorIs(t, err, fabric.ErrCorrupt)
			require.Zero(t, records)
		})
	}
}

// A record that is changed after it was told of is caught if it was not read yet, and is otherwise what the consumer has seen.
func TestHostileChangeAfterwards(t *testing.T) {
	s := newSides(t, 7)
	s.push(make([]byte, 8))
	s.push(make([]byte, 8))
	require.NoError(t, s.p.Flush())
	require.Eventually(t, func() bool { return s.arena.Usage().Committed == 2 }, patience, 1)
	s.hostile(s.record(16, s.header(16, 1<<20)))
	s.hostile(s.message(32, 2, 0, 16)) // lands after it
	s.push([]byte("third"))
	require.NoError(t, s.p.Flush())
	require.Eventually(t, func() bool { return s.arena.Usage().Bytes == 48 }, patience, 1)
	records, err := s.consumerLoss()
	require.ErrorIs(t, err, fabric.ErrCorrupt)
	require.LessOrEqual(t, records, 1)
}

// Words that are nonsense harm nobody but their writer, and counts of receives that are not there end its own connection.
func TestHostileWords(t *testing.T) {
	s := newSides(t, 8)
	s.hostile(s.message(0, 1<<63, 1<<63, 0))
	s.push([]byte("goes on"))
	require.NoError(t, s.p.Flush())
	require.Equal(t, "goes on", string(s.pop()))
}

// Who sends more messages than there are receives for, or has more answers come than it has, breaks its own way and nothing else.
func TestHostileFlood(t *testing.T) {
	needsFake(t)
	s := newSides(t, 9)
	s.network.Hold()
	for n := range uint64(60) {
		s.hostile(s.message(0, 0, n+1, 1<<40)) // each asks for an answer
	}
	s.network.Release()
	require.NoError(t, s.p.Close())
	require.NoError(t, s.serveEnded())
	require.Zero(t, s.arena.Usage().Bytes)
	_, err := s.c.Next()
	require.ErrorIs(t, err, fabric.ErrEmpty)
	require.NoError(t, s.c.Ack(0, nil))
}

// A write beyond the ring, or with a key that is not this pair's, is refused by the adapter, and ends the way.
func TestWritesOutsideAreRefused(t *testing.T) {
	for name, write := range map[string]func(*sides) verbs.Write{
		"behind-the-ring": func(s *sides) verbs.Write { return s.record(fabric.CapacityMin-4, make([]byte, 8)) },
		"before-the-ring": func(s *sides) verbs.Write { return s.record(^uint64(7), make([]byte, 8)) },
		"no-such-key": func(s *sides) verbs.Write {
			w := s.record(0, make([]byte, 8))
			w.RKey++
			return w
		},
		"the-words-key": func(s *sides) verbs.Write {
			w := s.record(0, make([]byte, 8))
			w.RKey = s.ownerPair().Region(1).Remote().Key
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits, most of the time
			s := newSides(t, 10)
			s.hostile(write(s))
			err := s.producerLoss()
			require.ErrorIs(t, err, fabric.ErrDisconnected)
			require.NotErrorIs(t, err, fabric.ErrCorrupt)
			s.refused(1)
			require.ErrorIs(t, s.serveEnded(), fabric.ErrDisconnected)
		})
	}
}

// credit is an owner's message.
func (s *sides) credit(acked uint64, grants uint32) {
	s.t.Helper()
	require.NoError(s.t, s.ownerPair().Post([]verbs.Write{{ID: 1 << 40, Inline: true, WithImm: true, Imm: uint32(acked>>3)<<3 | grants}}))
}

// A producer believes no credit for what it has not published, and no receives that cannot be.
func TestHostileOwner(t *testing.T) {
	for name, acked := range map[string]uint64{"not-published": fabric.CapacityMin, "far": 1 << 31, "huge": 1<<32 - 8} {
		t.Run(name, func(t *testing.T) {
			s := newSides(t, 11)
			for range 4 { // until it looks
				s.push(make([]byte, 16000))
			}
			s.credit(acked, 0)
			for {
				_, err := s.p.Claim(16000)
				if err == nil {
					s.p.Abort()
				} else if fabric.Lost(err) {
					require.ErrorIs(t, err, fabric.ErrCorrupt)
					return
				}
			}
		})
	}
	t.Run("receives", func(t *testing.T) {
		t.Parallel() // it waits, most of the time
		s := newSides(t, 12)
		s.credit(0, 7)
		require.ErrorIs(t, s.producerLoss(), fabric.ErrCorrupt)
	})
}

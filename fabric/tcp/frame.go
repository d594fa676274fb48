package tcp

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
)

// After the handshake a connection carries frames both ways: a header, then a payload. All numbers are little-endian.
//
//	offset size field
//	     0    1 kind
//	     1    1 flags, by kind; unknown ones are refused
//	     2    2 zero
//	     4    4 length of the payload, bytes, at most payloadMax
//	     8    8 generation of the ring
//	    16    8 number, by kind
//	    24    4 CRC32C of the 24 bytes before it and of the payload
//	    28      payload
const (
	atKind       = 0
	atFlags      = 1
	atZero       = 2
	atLength     = 4
	atGeneration = 8
	atNumber     = 16
	atCheck      = 24
	headerBytes  = atCheck + 4

	// stretchMax is when a stretch is sent without waiting for more, and wholeMax the largest record that a producer puts into one
	// with others: a larger one goes alone, in as many frames as it takes.
	stretchMax = 128 << 10
	wholeMax   = 16 << 10
	payloadMax = stretchMax + wholeMax + fabric.HeaderBytes
)

// kind is what a frame means.
type kind uint8

// The kinds.
const (
	// kindRecords: a stretch of the ring's data as it lies in memory, see fabric.Header: whole records, of which only the last may
	// reach the ring's end, or a part of one that no frame has room for. Number: the cursor of its first byte.
	kindRecords kind = 1
	// kindCredit, to the producer. Number: the cursor up to which it may write.
	kindCredit kind = 3
	// kindResume: the payload is the resume note.
	kindResume kind = 4
	// kindAck, from the consumer. Number: how many records are done with. With flagNote the payload is the stable note.
	kindAck kind = 5
	// kindStable, to the producer: the payload is the stable note.
	kindStable kind = 6
	// kindSeal, from the owner: the ring is lost to this side; the payload is an api.Error that says why. Nothing follows.
	kindSeal kind = 7
	// kindBeat: the sender lives and had nothing to say.
	kindBeat kind = 8
	// kindClose, to the owner: this side detaches. Nothing follows. Number: the cursor behind what a producer with a way of its own has written.
	kindClose kind = 9
	// kindShort, from a producer. Number: the cursor up to which it wants to write.
	kindShort kind = 10
	// kindActive, from a producer and then to the consumer: this ring, a spare until now, is the edge's.
	kindActive kind = 11
	// kindWant, from a consumer and then to the producer: it wants to move to this ring, a spare.
	kindWant kind = 12
	// kindDirect, from a producer, first, if the answer has accepted its offer: the payload is what Incoming.Start wants to know. Empty: the
	// records come in frames after all, and the owner says so, too.
	kindDirect kind = 13
)

const flagNote = 1

// shapes says what a frame of each kind may look like.
var shapes = [...]struct {
	name           string
	minLen, maxLen int
	flags          byte
}{
	kindRecords: {"records", fabric.HeaderBytes, payloadMax, 0},
	kindCredit:  {"credit", 0, 0, 0},
	kindResume:  {"resume", 0, fabric.NoteBytesMax, 0},
	kindAck:     {"ack", 0, fabric.NoteBytesMax, flagNote},
	kindStable:  {"stable", 0, fabric.NoteBytesMax, 0},
	kindSeal:    {"seal", 2, refusalMax, 0},
	kindBeat:    {"beat", 0, 0, 0},
	kindClose:   {"close", 0, 0, 0},
	kindShort:   {"short", 0, 0, 0},
	kindActive:  {"active", 0, 0, 0},
	kindWant:    {"want", 0, 0, 0},
	kindDirect:  {"direct", 0, directMax, 0},
}

func (k kind) String() string {
	if int(k) < len(shapes) && shapes[k].name != "" {
		return shapes[k].name
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// frame is a frame as it was received.
type frame struct {
	kind       kind
	flags      byte
	generation fence.Epoch
	number     uint64
	payload    []byte // valid until the next frame is read; of records, where they were wanted
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal fills in the header of the frame that header and payload make.
func seal(header, payload []byte, k kind, flags byte, generation fence.Epoch, number uint64) {
	header[atKind], header[atFlags] = byte(k), flags
	binary.LittleEndian.PutUint16(header[atZero:], 0)
	binary.LittleEndian.PutUint32(header[atLength:], uint32(len(payload)))
	binary.LittleEndian.PutUint64(header[atGeneration:], uint64(generation))
	binary.LittleEndian.PutUint64(header[atNumber:], number)
	binary.LittleEndian.PutUint32(header[atCheck:], crc32.Update(crc32.Checksum(header[:atCheck], castagnoli), castagnoli, payload))
}

// payloadLen reads how long the payload after header is, and refuses what no frame looks like.
func payloadLen(header []byte) (int, error) {
	k, n := kind(header[atKind]), binary.LittleEndian.Uint32(header[atLength:])
	if int(k) >= len(shapes) || shapes[k].name == "" {
		return 0, fmt.Errorf("frame of unknown kind %d: %w", k, fabric.ErrCorrupt)
	}
	shape := &shapes[k]
	if header[atFlags]&^shape.flags != 0 || header[atZero]|header[atZero+1] != 0 {
		return 0, fmt.Errorf("%v frame with unknown flags %#x: %w", k, header[atFlags:atLength], fabric.ErrCorrupt)
	}
	if n < uint32(shape.minLen) || n > uint32(shape.maxLen) {
		return 0, fmt.Errorf("%v frame of %d bytes, must be %d to %d: %w", k, n, shape.minLen, shape.maxLen, fabric.ErrCorrupt)
	}
	return int(n), nil
}

// numbers reads what follows the length in header: the frame's generation and its number.
func numbers(header []byte) (fence.Epoch, uint64) {
	return fence.Epoch(binary.LittleEndian.Uint64(header[atGeneration:])), binary.LittleEndian.Uint64(header[atNumber:])
}

// verify checks the frame that header and payload make.
func verify(header, payload []byte) error {
	got := crc32.Update(crc32.Checksum(header[:atCheck], castagnoli), castagnoli, payload)
	if want := binary.LittleEndian.Uint32(header[atCheck:]); got != want {
		return fmt.Errorf("%v frame: checksum %08x, its header says %08x: %w", kind(header[atKind]), got, want, fabric.ErrCorrupt)
	}
	return nil
}

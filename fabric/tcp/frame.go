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

	payloadMax = 64 << 10
)

// kind is what a frame means.
type kind uint8

// The kinds. Records, pieces and acks number the ring's records from zero.
const (
	// kindRecords: whole records, each a 4-byte length and its bytes. Number: of the first one.
	kindRecords kind = 1
	// kindPiece: part of one record that is too large for that: its whole length (4 bytes), where the part begins in it (4), the
	// part. Number: of the record.
	kindPiece kind = 2
	// kindCredit, to the producer. Number: what all its records together may cost, see cost.
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
	// kindClose, to the owner: this side detaches. Nothing follows.
	kindClose kind = 9
	// kindShort, from a producer. Number: the credit that it waits for.
	kindShort kind = 10
)

const flagNote = 1

// shapes says what a frame of each kind may look like.
var shapes = [...]struct {
	name           string
	minLen, maxLen int
	flags          byte
}{
	kindRecords: {"records", prefixBytes, payloadMax, 0},
	kindPiece:   {"piece", pieceHeadBytes + 1, payloadMax, 0},
	kindCredit:  {"credit", 0, 0, 0},
	kindResume:  {"resume", 0, fabric.NoteBytesMax, 0},
	kindAck:     {"ack", 0, fabric.NoteBytesMax, flagNote},
	kindStable:  {"stable", 0, fabric.NoteBytesMax, 0},
	kindSeal:    {"seal", 2, refusalMax, 0},
	kindBeat:    {"beat", 0, 0, 0},
	kindClose:   {"close", 0, 0, 0},
	kindShort:   {"short", 0, 0, 0},
}

func (k kind) String() string {
	if int(k) < len(shapes) && shapes[k].name != "" {
		return shapes[k].name
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// cost is what a record of n bytes takes from a producer's credit: the most that it can take in the ring.
func cost(n int) uint64 { return uint64(n) + fabric.RecordOverhead }

// frame is a frame as it was received.
type frame struct {
	kind       kind
	flags      byte
	generation fence.Epoch
	number     uint64
	payload    []byte // the receive buffer's: valid until the next frame is read
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal makes b, and rest after it, a frame: it fills in the header before a payload that is in place already.
func seal(b, rest []byte, k kind, flags byte, generation fence.Epoch, number uint64) {
	b[atKind], b[atFlags] = byte(k), flags
	binary.LittleEndian.PutUint16(b[atZero:], 0)
	binary.LittleEndian.PutUint32(b[atLength:], uint32(len(b)-headerBytes+len(rest)))
	binary.LittleEndian.PutUint64(b[atGeneration:], uint64(generation))
	binary.LittleEndian.PutUint64(b[atNumber:], number)
	binary.LittleEndian.PutUint32(b[atCheck:], crc32.Update(checksum(b), castagnoli, rest))
}

// checksum returns the check of a frame that fills b.
func checksum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:atCheck], castagnoli), castagnoli, b[headerBytes:])
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

// decode reads the frame that fills b, whose header payloadLen has accepted.
func decode(b []byte) (frame, error) {
	f := frame{
		kind:       kind(b[atKind]),
		flags:      b[atFlags],
		generation: fence.Epoch(binary.LittleEndian.Uint64(b[atGeneration:])),
		number:     binary.LittleEndian.Uint64(b[atNumber:]),
		payload:    b[headerBytes:],
	}
	if got, want := checksum(b), binary.LittleEndian.Uint32(b[atCheck:]); got != want {
		return frame{}, fmt.Errorf("%v frame: checksum %08x, its header says %08x: %w", f.kind, got, want, fabric.ErrCorrupt)
	}
	return f, nil
}

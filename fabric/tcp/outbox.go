package tcp

import (
	"encoding/binary"
	"slices"
)

const (
	prefixBytes    = 4 // before each record of a records frame: its length
	pieceHeadBytes = 8

	// wholeMax is the largest record that travels in a records frame; a larger one travels in pieces.
	wholeMax = 16 << 10
	// batchMax is when a records frame is sent without waiting for a flush: when the largest such record might not fit.
	batchMax = headerBytes + payloadMax - prefixBytes - wholeMax
	// keepMax bounds the room that is kept between large records.
	keepMax = 1 << 20
)

// outbox puts records into frames: many in one, or a large one in several. One goroutine at a time.
type outbox struct {
	l     *link
	next  uint64 // number of the next record
	buf   []byte // room for a header, then the records committed since first, then perhaps the claimed one
	first uint64
	at    int    // where in buf the claimed record lies
	large []byte // the claimed record, if it is larger than wholeMax
}

func newOutbox(l *link) *outbox { return &outbox{l: l, buf: make([]byte, headerBytes, 4<<10)} }

// claim returns n bytes for the next record. They stay the caller's until commit or the next claim, over a flush too.
func (o *outbox) claim(n int) []byte {
	if n > wholeMax {
		if cap(o.large) < n {
			o.large = make([]byte, n)
		}
		o.large = o.large[:n]
		return o.large
	}
	o.at = len(o.buf) + prefixBytes
	o.buf = slices.Grow(o.buf, prefixBytes+n)
	return o.buf[o.at : o.at+n : o.at+n]
}

// commit makes the n bytes last claimed the next record, and sends what must not wait.
func (o *outbox) commit(n int) error {
	if n > wholeMax {
		return o.pieces(o.large)
	}
	o.buf = binary.LittleEndian.AppendUint32(o.buf, uint32(n))
	at := len(o.buf)
	o.buf = o.buf[:at+n]
	if at != o.at {
		copy(o.buf[at:], o.buf[o.at:o.at+n]) // there was a flush since the claim, which put it further back
	}
	o.next++
	if len(o.buf) > batchMax {
		return o.flush()
	}
	return nil
}

// copyIn makes b the next record. Large ones are sent from where they lie.
func (o *outbox) copyIn(b []byte) error {
	if len(b) > wholeMax {
		return o.pieces(b)
	}
	copy(o.claim(len(b)), b)
	return o.commit(len(b))
}

// flush sends the records that are waiting, in one frame and one system call.
func (o *outbox) flush() error {
	if len(o.buf) == headerBytes {
		return nil
	}
	seal(o.buf, nil, kindRecords, 0, o.l.generation, o.first)
	err := o.l.write(o.buf)
	o.buf, o.first = o.buf[:headerBytes], o.next
	return err
}

// pieces sends b as the next record, after those that are waiting.
func (o *outbox) pieces(b []byte) error {
	if err := o.flush(); err != nil {
		return err
	}
	const partMax = payloadMax - pieceHeadBytes
	var head [headerBytes + pieceHeadBytes]byte
	binary.LittleEndian.PutUint32(head[headerBytes:], uint32(len(b)))
	for at := 0; at < len(b); at += partMax {
		binary.LittleEndian.PutUint32(head[headerBytes+4:], uint32(at))
		part := b[at:min(at+partMax, len(b))]
		seal(head[:], part, kindPiece, 0, o.l.generation, o.next)
		if err := o.l.writeBoth(head[:], part); err != nil {
			return err
		}
	}
	o.next++
	o.first = o.next
	if cap(o.large) > keepMax {
		o.large = nil
	}
	return nil
}

package tcp

import (
	"encoding/binary"

	"github.com/grafnode/grafnode/fabric"
)

// outbox puts a producer's records together as they will lie in the ring, and sends them in stretches. Each stretch has its frame's
// header before it in memory, where only bytes lie that have been sent. One goroutine at a time.
//
// It is a small ring of the outbox's own, of which everything is sent before it begins anew. So a record is contiguous, and the
// last of a stretch is the only one that reaches the end of the outbox, and of the ring, whose capacity is a multiple of it.
type outbox struct {
	l     *link
	run   *fabric.Run // what is put together
	buf   []byte      // run.Data with room for a frame's header before it
	sent  uint64      // how far the records have been sent
	large []byte      // room for a frame's header and a record that is larger than wholeMax, if one is claimed
	open  int         // its length, or none
}

// keepMax bounds the room that is kept between large records.
const keepMax = 1 << 20

func newOutbox(l *link, run *fabric.Run, capacity int) *outbox {
	size := min(stretchMax, capacity/4) // in small rings too both sides are to work at the same time
	whole := min(wholeMax, fabric.RecordMax(capacity))
	o := &outbox{l: l, run: run, open: none}
	o.buf = make([]byte, headerBytes+size+int(fabric.RecordBytes(whole)))
	*run = fabric.Run{
		Data: o.buf[headerBytes:],
		Mask: uint64(size - 1),
		Seed: fabric.Seed(uint64(l.generation)),
		Max:  uint64(whole),
		Due:  uint64(size),
	}
	return o
}

// flush sends the records that are waiting, in one frame and one system call.
func (o *outbox) flush() error {
	n := int(o.run.At - o.sent)
	if n == 0 {
		return nil
	}
	return o.send(o.buf[o.sent&o.run.Mask:][:headerBytes+n])
}

// send sends b, room for a header and then a stretch.
func (o *outbox) send(b []byte) error {
	seal(b[:headerBytes], b[headerBytes:], kindRecords, 0, o.l.generation, o.sent)
	o.sent += uint64(len(b) - headerBytes)
	o.run.Due = (o.sent | o.run.Mask) + 1
	return o.l.write(b)
}

// claim returns n bytes for a record of its own, more than wholeMax.
func (o *outbox) claim(n int) []byte {
	if size := headerBytes + int(fabric.RecordBytes(n)); cap(o.large) < size {
		o.large = make([]byte, size)
	}
	o.open = n
	at := headerBytes + fabric.HeaderBytes
	return o.large[:cap(o.large)][at : at+n : at+n]
}

// commit sends the record that claim has returned, after those that are waiting.
func (o *outbox) commit() error {
	if err := o.flush(); err != nil {
		return err
	}
	size := int(fabric.RecordBytes(o.open))
	whole := o.large[:headerBytes+size]
	binary.LittleEndian.PutUint64(whole[headerBytes:], fabric.Header(o.run.Seed, o.run.At, uint32(o.open)))
	o.open = none
	o.run.At += uint64(size)
	o.run.Count++
	for len(whole) > headerBytes {
		n := min(len(whole)-headerBytes, payloadMax)
		if err := o.send(whole[:headerBytes+n]); err != nil {
			return err
		}
		whole = whole[n:] // the next header overwrites what has been sent
	}
	if cap(o.large) > keepMax {
		o.large = nil
	}
	return nil
}

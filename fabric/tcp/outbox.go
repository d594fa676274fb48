package tcp

import (
	"encoding/binary"
	"math"

	"github.com/grafnode/grafnode/fabric"
)

// outbox puts a producer's records together as they will lie in the ring, and sends them in stretches: a frame's header and what has
// been committed since the last one. It uses the same memory each time, unless there is a claim in it. One goroutine at a time.
type outbox struct {
	l        *link
	batch    *fabric.Batch
	run      *fabric.Run // batch's: what is put together
	capacity uint64
	stretch  uint64 // bytes that are sent without waiting for more
	buf      []byte // run.Data with room for a frame's header before it
	sent     uint64 // how far the records have been sent
	large    []byte // room for a frame's header and a record that is larger than wholeMax, if one is claimed
	open     int    // its length, or none
}

// keepMax bounds the room that is kept between large records.
const keepMax = 1 << 20

func newOutbox(l *link, batch *fabric.Batch, capacity int) *outbox {
	stretch := min(stretchMax, capacity/8) // in small rings too both sides are to work at the same time
	whole := min(wholeMax, fabric.RecordMax(capacity))
	o := &outbox{l: l, batch: batch, run: &batch.Run, capacity: uint64(capacity), stretch: uint64(stretch), open: none}
	o.buf = make([]byte, headerBytes+stretch+int(fabric.RecordBytes(whole)))
	batch.Run = fabric.Run{
		Data: o.buf[headerBytes:],
		Mask: math.MaxUint64,
		Seed: fabric.Seed(uint64(l.generation)),
		Max:  uint64(whole),
	}
	o.begin()
	return o
}

// begin has the next record stand at the beginning of the memory, if everything is sent. No claim may be open.
func (o *outbox) begin() {
	if o.sent == o.run.At {
		o.run.Base = o.sent
		o.run.Due = min(o.sent+o.stretch, (o.sent/o.capacity+1)*o.capacity) // no record may follow the one that reaches the ring's end
	}
}

// flush sends the records that are waiting, in one frame and one system call. A claim may be open, unless they are due or it is the batch's. The frame's
// header stands before them, where nothing is or what has been sent.
func (o *outbox) flush() error {
	if err := o.batch.Settle(); err != nil {
		return err
	}
	n := o.run.At - o.sent
	if n == 0 {
		return nil
	}
	from := o.sent - o.run.Base
	err := o.send(o.buf[from : from+headerBytes+n])
	if o.run.At >= o.run.Due {
		o.begin()
	}
	return err
}

// send sends b, room for a header and then a stretch.
func (o *outbox) send(b []byte) error {
	seal(b[:headerBytes], b[headerBytes:], kindRecords, 0, o.l.generation, o.sent)
	o.sent += uint64(len(b) - headerBytes)
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
	binary.LittleEndian.PutUint64(whole[headerBytes:], fabric.Header(o.run.Seed, o.run.At, uint32(o.open), 1))
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
	o.begin()
	if cap(o.large) > keepMax {
		o.large = nil
	}
	return nil
}

package ring

import (
	"encoding/binary"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/borrow"
	"github.com/grafnode/grafnode/fabric/internal/step"
)

// found is the last records that a look has found, all of one length. How many of them are not read yet is the only thing that
// changes with each record.
type found struct {
	end    cursor // of all
	left   uint64 // not read yet
	length uint64 // of each, its own bytes
	size   uint64 // of each in the ring
}

// read returns where the next record begins.
func (f *found) read() cursor { return cursor{f.end.at - f.left*f.size, f.end.count - f.left} }

// lookAhead is how many records a look finds at most.
const lookAhead = 64

// Next is fabric's Next.
func (c *Consumer) Next() ([]byte, error) {
	if c.isClosed() {
		return nil, fabric.ErrClosed
	}
	if c.found.left == 0 {
		if err := c.find(); err != nil {
			return nil, err
		}
	}
	step.At("read")
	return c.take(), nil
}

// find is look, for who does not use the memory already.
func (c *Consumer) find() error {
	if !c.enter() {
		return fabric.ErrClosed
	}
	err := c.look()
	c.exit()
	return err
}

// take returns the next record that a look has found.
func (c *Consumer) take() []byte {
	f := &c.found
	at, n := f.read().at&c.mask+fabric.HeaderBytes, f.length
	f.left--
	return c.peer.Load().data[at : at+n : at+n]
}

// Drain is fabric's Drain. It uses the memory for as long as f may have it in its hands.
func (c *Consumer) Drain(limit int, f func(record []byte) error) (n int, err error) {
	if !c.enter() {
		return 0, fabric.ErrClosed
	}
	defer c.exit()                             // also if f panics
	enough := c.found.read().at + (c.mask+1)/8 // so that what is read is acked while the producer has room to go on
	for n < limit && c.found.read().at < enough {
		if c.found.left == 0 {
			if err := c.look(); err != nil && n == 0 {
				return 0, err
			} else if err != nil {
				return n, nil // it is said again
			}
		}
		took, err := c.lend(limit-n, enough, f)
		n += took
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// lend is Drain for what was found.
func (c *Consumer) lend(limit int, enough uint64, f func(record []byte) error) (n int, err error) {
	data, at := c.peer.Load().data, c.found.read().at
	length, size := c.found.length, c.found.size
	for ; n < limit && c.found.left > 0 && at < enough; n++ {
		from := at&c.mask + fabric.HeaderBytes
		if err := borrow.Lend(data[from:from+length:from+length], f); err != nil {
			return n, err
		}
		c.found.left--
		at += size
	}
	return n, nil
}

// Peek implements fabric.Peeker.
func (c *Consumer) Peek() (r fabric.Records, err error) {
	if !c.enter() {
		return r, fabric.ErrClosed
	}
	defer c.exit()
	if c.found.left == 0 {
		if err := c.look(); err != nil {
			return r, err
		}
	}
	f := &c.found
	at, n := f.read().at&c.mask, f.left
	if at+n*f.size > c.mask+1 { // where memory is not mapped twice, only the last of these may run on behind the ring's end
		n = (c.mask - at + f.size) / f.size
	}
	data := c.peer.Load().data[at+fabric.HeaderBytes : at+(n-1)*f.size+fabric.HeaderBytes+f.length]
	return fabric.Records{Data: data, N: int(n), Bytes: int(f.length), Stride: int(f.size)}, nil
}

// Skip implements fabric.Peeker.
func (c *Consumer) Skip(n int) {
	step.At("read")
	c.found.left -= uint64(n)
}

// look finds the next records, one at least. It guesses that they are as long as the last one, and as long as that is so, the place of
// one does not depend on what stands in the one before: so the processor fetches many of them at once.
func (c *Consumer) look() error {
	if err := c.some(); err != nil {
		return err
	}
	data, at := c.peer.Load().data, c.found.end.at
	length := c.found.length
	if c.header(data, at) != fabric.Header(c.seed, at, uint32(length)) {
		var ok bool
		if length, ok = c.measure(data, at); !ok {
			return c.badRecord(data)
		}
	}
	size := fabric.RecordBytes(int(length))
	there := c.tail - at
	if size > there {
		return c.badRecord(data)
	}
	n := uint64(1)
	if at += size; at != c.tail { // or it is alone, and there is nothing to divide
		most := min(there/size, lookAhead, max((c.mask+1)/8/size, 1))
		for ; n < most && c.header(data, at) == fabric.Header(c.seed, at, uint32(length)); n++ {
			at += size
		}
	}
	c.found = found{end: cursor{at, c.found.end.count + n}, left: n, length: length, size: size}
	c.ends.push(c.found.end, size)
	return nil
}

// header reads the header of the record at a place, once: it may change under a hostile producer's hand.
func (c *Consumer) header(data []byte, at uint64) uint64 {
	return binary.LittleEndian.Uint64(data[at&c.mask:])
}

// measure returns the length of the record at a place, and whether one may be there.
func (c *Consumer) measure(data []byte, at uint64) (length uint64, ok bool) {
	head := c.header(data, at)
	length = uint64(uint32(head))
	return length, head == fabric.Header(c.seed, at, uint32(head)) && length <= c.recordMax
}

// badRecord is for a record that cannot be.
func (c *Consumer) badRecord(data []byte) error {
	end := c.found.end
	return c.damaged("record %d at byte %d has a bad header (%016x now), with %d bytes published behind it",
		end.count, end.at, c.header(data, end.at), c.tail-end.at)
}

// some makes sure that there are bytes behind what was found.
func (c *Consumer) some() error {
	if c.over != nil {
		return c.over
	}
	if c.found.end.at == c.tail {
		return c.more()
	}
	return nil
}

// more looks for records behind the last one. The reason of a loss comes after them: so it is looked for first, and what was
// published before it is seen by the look that follows.
func (c *Consumer) more() error {
	if err := c.refresh(); err != nil || c.found.end.at != c.tail {
		return err
	}
	reason := c.verdict()
	if l := c.lost.Load(); l != nil {
		reason = l.tell()
	}
	if reason == nil {
		storeRelease(&c.emptyAt, c.tail)
		return fabric.ErrEmpty
	}
	if err := c.refresh(); err != nil || c.found.end.at != c.tail {
		return err
	}
	c.over = reason
	return reason
}

// refresh takes the producer's cursor over, if it is one.
func (c *Consumer) refresh() error {
	peer := c.peer.Load()
	if peer == nil {
		return nil
	}
	tail := peer.words.Tail.Load()
	if tail < c.tail || tail-c.acked.at > uint64(c.setup.Config.Capacity) || tail%fabric.HeaderBytes != 0 {
		return c.damaged("the producer's cursor is %d after %d, with %d bytes acked and a ring of %d", tail, c.tail, c.acked.at, c.setup.Config.Capacity)
	}
	c.tail = tail
	return nil
}

// damaged is corrupt for what Next reads: it ends reading too.
func (c *Consumer) damaged(format string, args ...any) error {
	c.over = c.corrupt(format, args...)
	return c.over
}

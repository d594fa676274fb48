package ring

import (
	"encoding/binary"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/borrow"
	"github.com/grafnode/grafnode/fabric/internal/step"
)

// found is the last row that a look has found. The place of the next record, and how many are not read yet, are the only things that
// change with each.
type found struct {
	end    cursor // of the row
	of     uint64 // records in it
	left   uint64 // not read yet
	at     uint64 // the next one, a header's length before its bytes: so those of a row never begin behind the ring's end, but with the first
	length uint64 // of each, its own bytes
	size   uint64 // of each in the ring
}

// read returns how many records were read.
func (f *found) read() uint64 { return f.end.count - f.left }

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
	at, n := f.at&c.mask+fabric.HeaderBytes, f.length
	f.left--
	f.at += f.size
	return c.peer.Load().data[at : at+n : at+n]
}

// Drain is fabric's Drain. It uses the memory for as long as f may have it in its hands.
func (c *Consumer) Drain(limit int, f func(record []byte) error) (n int, err error) {
	if !c.enter() {
		return 0, fabric.ErrClosed
	}
	defer c.exit()                      // also if f panics
	enough := c.found.at + (c.mask+1)/8 // so that what is read is acked while the producer has room to go on
	for n < limit && c.found.at < enough {
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
	data, row := c.peer.Load().data, &c.found
	for ; n < limit && row.left > 0 && row.at < enough; n++ {
		from := row.at&c.mask + fabric.HeaderBytes
		if err := borrow.Lend(data[from:from+row.length:from+row.length], f); err != nil {
			return n, err
		}
		row.left--
		row.at += row.size
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
	from := f.at&c.mask + fabric.HeaderBytes
	to := from + (f.left-1)*f.size + f.length
	return fabric.Records{Data: c.peer.Load().data[from:to:to], N: int(f.left), Bytes: int(f.length), Stride: int(f.size)}, nil
}

// Skip implements fabric.Peeker.
func (c *Consumer) Skip(n int) {
	step.At("read")
	c.found.left -= uint64(n)
	c.found.at += uint64(n) * c.found.size
}

// look finds the next row.
func (c *Consumer) look() error {
	if err := c.some(); err != nil {
		return err
	}
	at := c.found.end.at
	row, ok := fabric.ReadHeader(c.seed, at, c.header(), c.recordMax)
	if !ok || row.Bytes() > c.tail-at {
		return c.badRow()
	}
	f := &c.found // field by field: a literal would be copied in larger pieces than it is written in, for which the processor waits
	f.end.at, f.end.count = at+row.Bytes(), f.end.count+row.Count
	f.of, f.left, f.at, f.length, f.size = row.Count, row.Count, at, row.Length, row.Stride
	c.ends.push(f.end, row)
	return nil
}

// header reads the header behind what was found, once: it may change under a hostile producer's hand.
func (c *Consumer) header() uint64 {
	return binary.LittleEndian.Uint64(c.peer.Load().data[c.found.end.at&c.mask:])
}

// badRow is for a row that cannot be.
func (c *Consumer) badRow() error {
	end := c.found.end
	return c.damaged("record %d at byte %d has a bad header (%016x now), with %d bytes published behind it",
		end.count, end.at, c.header(), c.tail-end.at)
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

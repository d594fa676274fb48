package tcp

import (
	"fmt"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/borrow"
)

// position is how far somebody has come: in the row at place, if left is not zero, or else behind one.
type position struct {
	place
	cursor uint64 // bytes since the ring began
	count  uint64 // records
	row    fabric.Row
	left   uint64 // of the row
}

// begin begins with the row at p, and reports whether there can be one.
func (p *position) begin(seed uint32, longest uint64) bool {
	var ok bool
	p.row, ok = fabric.ReadHeader(seed, p.cursor, p.header(), longest)
	if ok = ok && p.row.Bytes() <= uint64(p.end-p.at); ok {
		p.left = p.row.Count
	}
	return ok
}

// rest returns what is left of the row.
func (p *position) rest() fabric.Records {
	from := p.at + fabric.HeaderBytes
	to := from + int((p.left-1)*p.row.Stride+p.row.Length)
	return fabric.Records{Data: p.buf[from:to:to], N: int(p.left), Bytes: int(p.row.Length), Stride: int(p.row.Stride)}
}

// pass goes past n records of the row. Its header is passed with the last one.
func (p *position) pass(n uint64) {
	bytes := n * p.row.Stride
	if n == p.left {
		bytes += fabric.HeaderBytes
	}
	p.at += int(bytes)
	p.cursor += bytes
	p.count += n
	p.left -= n
}

// Next implements fabric.Consumer.
func (c *consumer) Next() ([]byte, error) {
	r, err := c.Peek()
	if err != nil {
		return nil, err
	}
	c.Skip(1)
	return r.At(0), nil
}

// Peek implements fabric.Peeker.
func (c *consumer) Peek() (r fabric.Records, err error) {
	switch read := &c.read; {
	case c.closed.Load():
		return r, fabric.ErrClosed
	case read.left > 0:
		return read.rest(), nil
	case read.at == read.end:
		if err := c.more(); err != nil {
			return r, err
		}
	}
	if !c.read.begin(c.seed, c.recordMax) {
		return r, c.damaged()
	}
	return c.read.rest(), nil
}

// Skip implements fabric.Peeker.
func (c *consumer) Skip(n int) {
	if n > 0 {
		c.read.pass(uint64(n))
	}
}

func (c *consumer) damaged() error {
	_ = c.l.fail(fmt.Errorf("%w: record %d, at byte %d: bad header %016x", fabric.ErrCorrupt, c.read.count, c.read.cursor, c.read.header()))
	return c.check()
}

// more looks for records where read has found none.
func (c *consumer) more() error {
	loss := c.l.err() // before looking: what came before it is there by then
	if c.slabs.look(&c.read.place) {
		return nil
	}
	c.taken.Store(c.read.cursor)
	if loss != nil {
		return c.check()
	}
	if c.done.cursor != c.told {
		c.tell()
	}
	return fabric.ErrEmpty
}

// Drain implements fabric.Consumer.
func (c *consumer) Drain(limit int, f func(record []byte) error) (int, error) {
	enough := c.read.cursor + c.capacity/8
	for n := range limit {
		before := c.read
		if before.cursor >= enough {
			return n, nil
		}
		record, err := c.Next()
		if err != nil && n > 0 {
			return n, nil
		}
		if err == nil {
			err = borrow.Lend(record, f)
		}
		if err != nil {
			c.read = before
			return n, err
		}
	}
	return limit, nil
}

package ring

import (
	"encoding/binary"
	"fmt"

	"github.com/grafnode/grafnode/fabric"
)

// A stretch is a piece of a ring's data as it lies in memory: rows of records, one behind the other. Package
// fabric/tcp carries a ring between hosts in stretches, so that records are neither copied nor taken apart on the way. A stretch
// ends with the first record that reaches the end of the data, or before: what comes after it lies elsewhere in memory that is not
// mapped twice.

// Room returns n bytes of data, from skip bytes behind the end of what is committed, for a stretch to be read into. They are
// the caller's until Append, or the next call but Resume and Stable. ErrFull if they are not all free: then Wait returns once they
// are. No other claim or batch may be open.
func (p *Producer) Room(skip, n int) ([]byte, error) {
	if err := p.begin(); err != nil {
		return nil, err
	}
	defer p.exit()
	run := &p.batch.Run
	from := run.At & run.Mask
	if skip < 0 || n < 0 || from+uint64(skip)+uint64(n) > uint64(len(run.Data)) || skip+n > p.setup.Config.Capacity {
		return nil, fmt.Errorf("%w: a stretch of %d bytes, %d behind byte %d, leaves the ring", fabric.ErrCorrupt, n, skip, run.At)
	}
	if err := p.verdict(); err != nil {
		return nil, err
	}
	if end := run.At + uint64(skip) + uint64(n); end > p.acked+uint64(p.setup.Config.Capacity) {
		if err := p.makeRoom(end); err != nil {
			return nil, err
		}
	}
	if p.full {
		p.full = false
		p.wanted.Store(0)
	}
	from += uint64(skip)
	return run.Data[from : from+uint64(n) : from+uint64(n)], nil
}

// Append commits the records that lie in the n bytes behind the end of what is committed, which Room has returned. It returns how
// many bytes are left over: the beginning of a record whose rest is not there yet. ErrCorrupt if they are no stretch of this ring.
func (p *Producer) Append(n int) (left int, err error) {
	run := &p.batch.Run
	capacity := uint64(p.setup.Config.Capacity)
	from := run.At & run.Mask
	data := run.Data[from : from+uint64(n)]
	at := uint64(0)
	for at < uint64(len(data)) {
		if len(data)-int(at) < fabric.HeaderBytes || from+at >= capacity {
			return 0, fmt.Errorf("%w: record %d, at byte %d: the stretch goes on %d bytes behind the ring's end", fabric.ErrCorrupt, run.Count, run.At+at, len(data)-int(at))
		}
		head := binary.LittleEndian.Uint64(data[at:])
		row, ok := fabric.ReadHeader(run.Seed, run.At+at, head, run.Max)
		if !ok {
			return 0, fmt.Errorf("%w: record %d, at byte %d: bad header %016x", fabric.ErrCorrupt, run.Count, run.At+at, head)
		}
		if from+at+(row.Count-1)*row.Stride >= capacity {
			return 0, fmt.Errorf("%w: %d records from %d, at byte %d, go on behind the ring's end", fabric.ErrCorrupt, row.Count, run.Count, run.At+at)
		}
		if row.Bytes() > uint64(len(data))-at {
			break
		}
		at += row.Bytes()
		run.Count += row.Count
	}
	run.At += at
	run.Limit = run.At
	return n - int(at), nil
}

// Stretch returns the next rows as they lie in memory, one at least, and as many as make no more than limit bytes. Their records count as
// returned by Next, whose errors it has. Of a row in part, which Next began to return, Next must return the rest.
func (c *Consumer) Stretch(limit int) ([]byte, error) {
	if c.found.left != 0 && c.found.left != c.found.of {
		return nil, errRowBegun
	}
	from, size := c.found.end.at, uint64(0)
	if c.found.left > 0 {
		from = c.found.at
	}
	for {
		if c.found.left == 0 {
			if err := c.find(); err != nil && size == 0 {
				return nil, err
			} else if err != nil {
				break
			}
		}
		next := fabric.HeaderBytes + c.found.of*c.found.size
		if size > 0 && size+next > uint64(limit) {
			break
		}
		size += next
		c.Skip(int(c.found.left))
		if from&c.mask+size >= uint64(c.setup.Config.Capacity) {
			break
		}
	}
	at := from & c.mask
	return c.peer.Load().data[at : at+size : at+size], nil
}

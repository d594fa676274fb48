package fabric

import (
	"encoding/binary"
	"errors"
)

// row is the row of a Batch that is open: it takes records of its length without a header for each. Its own is written by Settle.
type row struct {
	length uint64 // of each record
	stride uint64
	start  uint64 // where its header belongs
	first  uint64 // Count then
	till   uint64 // before which its records begin; zero: none is open
}

var errRow = errors.New("fabric: more records than were claimed")

// open begins a row of records of n bytes, for which the run has room, behind all that is committed, where nobody looks.
func (b *Batch) open(n uint64) {
	b.settle()
	b.length, b.stride, b.start, b.first = n, padded(n), b.At, b.Count
	// How far behind the first record the last one may begin: where memory is not mapped twice, before the ring's end.
	reach := min(b.Mask-(b.At-b.Base)&b.Mask, b.Max-b.stride, b.Limit-b.At-HeaderBytes-b.stride, (RowMax-1)*b.stride)
	b.At += HeaderBytes
	b.till = b.At + reach
	if n > 0 { // those without a byte are rows of one
		b.till++
	}
}

// Settle completes the row that is open, so that what is committed can be shown. Fabrics call it. It fails while a claim is open.
func (b *Batch) Settle() error {
	if b.end != 0 {
		return errBatchOpen
	}
	b.settle()
	return nil
}

func (b *Batch) settle() {
	if b.till != 0 {
		header := Header(b.Seed, b.start, uint32(b.length), uint32(b.Count-b.first))
		binary.LittleEndian.PutUint64(b.Data[(b.start-b.Base)&b.Mask:], header)
		b.till = 0
	}
}

// drop gives a row up that has no record.
func (b *Batch) drop() {
	if b.Count == b.first {
		b.At, b.till = b.start, 0
	}
}

// ClaimRow is Claim for up to most records of n bytes each, one behind the other, for as many as there is room without a look at the ring: one at
// least. All are to be filled before CommitRow, or as many as that is told.
func (b *Batch) ClaimRow(n, most int) (r Records, err error) {
	r = Records{N: 1, Bytes: n}
	if r.Data, err = b.Claim(n); err != nil || b.end == 0 {
		return r, err
	}
	r.Stride = int(b.stride)
	if last := min(b.till, b.Due) - 1; last > b.At && most > 1 {
		r.N += int(min(uint64(most-1), (last-b.At)/b.stride))
		at := b.place(b.At - HeaderBytes)
		r.Data = b.Data[at : at+uint64(r.N-1)*b.stride+uint64(n)]
		b.most = r.N
	}
	return r, nil
}

// CommitRow makes the first count records of the row that ClaimRow returned the next ones; with a count of zero it is Abort. See Commit.
func (b *Batch) CommitRow(count int) error {
	switch {
	case count <= 0:
		b.Abort()
		return nil
	case count == 1:
		return b.Commit()
	}
	if b.end == 0 || count > b.most {
		return errRow
	}
	b.end += uint64(count-1) * b.stride
	b.Count += uint64(count - 1)
	return b.Commit()
}

// ClaimMost is Claim for a record that may turn out shorter: CommitFirst says how long it is. It is for n of up to Free bytes.
func (b *Batch) ClaimMost(n int) ([]byte, error) {
	if err := b.Settle(); err != nil { // it has a row of its own
		return nil, err
	}
	return b.Claim(n)
}

// CommitFirst makes the first n bytes of what ClaimMost returned the next record. See Commit.
func (b *Batch) CommitFirst(n int) error {
	if b.end == 0 || b.Count != b.first || n < 0 || uint64(n) > b.length {
		return errRow
	}
	b.length, b.stride = uint64(n), padded(uint64(n))
	b.end = b.At + b.stride
	err := b.Commit()
	b.settle()
	return err
}

package fabric

import (
	"encoding/binary"
	"errors"
)

// Batch is a run of records that a producer writes under one look at the ring: a claim and a commit cost writing the record,
// and no call through an interface. Producer.Begin lends it, until its End. One goroutine at a time.
//
// What is committed becomes visible at Flush, at End, when a claim finds no room, and by itself after PublishBytes. Across hosts all
// of these may wait for the network to take it.
type Batch struct {
	Run
	writer Writer
	end    uint64 // where the claimed record will end; zero: none is claimed
	held   uint64 // Due when Hold last said yes
}

// PublishBytes is how much a producer commits at most before it publishes by itself; an eighth of the ring if that is less. Smaller
// steps would have the consumer on the producer's heels, where each takes the lines that the other is at.
const PublishBytes = 16 << 10

// Run is the memory that a fabric lends to its Batch, and how far the Batch has come in it. Only fabrics touch it. Cursors
// count bytes since the ring began; the record that begins at cursor c lies in Data from (c-Base)&Mask on, without a break.
type Run struct {
	Data  []byte
	Mask  uint64
	Base  uint64
	Seed  uint32 // of the marks, see Header
	At    uint64 // end of what is committed
	Count uint64 // records committed
	Limit uint64 // how far the Batch may go without asking; not below At
	Max   uint64 // the longest record, bytes
	Due   uint64 // the cursor from which on a commit publishes

	// Kept is the user's: what lies in Data from that cursor on is not written over, even if the consumer has acked it. KeepNone
	// until it is set. Zero is a run whose Data is not the ring: what was committed is not to be found in it.
	Kept uint64
}

// Record returns the record that begins at a cursor, and where the next one does; nil if there can be none. It is for what is Kept.
func (r *Run) Record(at uint64) (record []byte, next uint64) {
	from := (at - r.Base) & r.Mask
	n := uint64(binary.LittleEndian.Uint32(r.Data[from:]))
	if n > r.Max {
		return nil, at
	}
	from += HeaderBytes
	return r.Data[from : from+n : from+n], at + RecordBytes(int(n))
}

// KeepNone is Run.Kept of a ring that may be written over as the consumer acks it.
const KeepNone = 1<<64 - 1

// Writer is what a Batch turns to for all that its Run does not cover: a fabric's producer.
type Writer interface {
	Claim(n int) ([]byte, error)
	Commit() error
	Abort()
	Flush() error
}

// Ender is a Writer that wants to know of a Batch's end. It flushes.
type Ender interface{ End() error }

// Holder is a Writer whose consumer asks for what is committed and not published, so that it may stay so without anybody
// waiting for it.
type Holder interface {
	// Hold says that what is committed will be flushed later. It returns false if the consumer waits for it already, or cannot
	// ask: then flush at once. Else the consumer ends this side's Wait when it finds no more records, and whoever is in Wait
	// owes it a Flush.
	Hold() bool
}

// Heeder is a Producer whose Wait can be spared what nobody waits for. To be woken by each ack takes a producer, and the consumer that
// wakes it, as long as hundreds of records do.
type Heeder interface {
	// Heed says whether stable notes end a Wait, as they do until it says otherwise. They are there for Stable all the same; and room
	// that a claim did not find ends it in any case. Any goroutine.
	Heed(notes bool)
}

// Peeker is a Consumer whose records can be read where they lie, many at a time.
type Peeker interface {
	// Peek returns the next records, one at least, and does not count them as read. Its errors are Next's. What it returns is read-only and
	// valid as what Next returns is.
	Peek() (Records, error)
	// Skip counts the first n of what the last Peek returned as read. No other call but Wait and Close may have come in between.
	Skip(n int)
}

// Records are records that lie in memory one behind the other: record i has the Bytes from Data[i*Stride] on.
type Records struct {
	Data             []byte
	N, Bytes, Stride int
}

// MakeBatch returns a Batch whose run is empty: until a fabric sets one, each record is a call of w.
func MakeBatch(w Writer) Batch { return Batch{writer: w} }

var errBatchOpen = errors.New("fabric: a claim is open in the batch; commit or abort it first")

// Claim reserves n contiguous bytes for the next record. See Producer.Claim. The header is written at once, behind all that is
// committed, where nobody looks.
func (b *Batch) Claim(n int) ([]byte, error) {
	size := RecordBytes(n)
	if uint64(n) > b.Max || size > b.Limit-b.At || b.end != 0 {
		return b.ask(n)
	}
	b.end = b.At + size
	at := (b.At - b.Base) & b.Mask
	binary.LittleEndian.PutUint64(b.Data[at:], Header(b.Seed, b.At, uint32(n)))
	at += HeaderBytes
	return b.Data[at : at+uint64(n) : at+uint64(n)], nil
}

// ask is Claim for what the run does not cover. The writer may make it longer.
func (b *Batch) ask(n int) ([]byte, error) {
	if b.end != 0 {
		return nil, errBatchOpen
	}
	return b.writer.Claim(n)
}

// Commit makes the claimed bytes the next record. See Producer.Commit.
func (b *Batch) Commit() error {
	if b.end == 0 || b.end >= b.Due {
		return b.commit()
	}
	b.At, b.end = b.end, 0
	b.Count++
	return nil
}

// commit is Commit for a record that is not in the run, or that is due.
func (b *Batch) commit() error {
	if b.end == 0 {
		return b.writer.Commit()
	}
	b.At, b.end = b.end, 0
	b.Count++
	return b.writer.Flush()
}

// Fits reports whether the run covers a record of n bytes, so that Add takes it.
func (b *Batch) Fits(n int) bool {
	return uint64(n) <= b.Max && RecordBytes(n) <= b.Limit-b.At && b.end == 0
}

// Lay writes the headers of as many records of n bytes as the run covers, most at most, without anything to be done about them afterwards: the
// Batch is Quiet and stays so. It returns where the first one's bytes are, how far each is from the next, and how many there are. None is
// committed: that is Laid's, before any other call.
func (b *Batch) Lay(n, most int) (data []byte, stride, count int) {
	upto, size := min(b.Limit, b.Due-1), RecordBytes(n)
	if !b.Quiet() || b.end != 0 || uint64(n) > b.Max || upto < b.At+size || most <= 0 {
		return nil, 0, 0
	}
	at, room := (b.At-b.Base)&b.Mask, min((upto-b.At)/size, uint64(most))
	if at+room*size > b.Mask { // where memory is not mapped twice, only the last of these may run on behind the ring's end
		room = min(room, (b.Mask-at)/size+1)
	}
	data = b.Data[at:]
	for i := range room {
		binary.LittleEndian.PutUint64(data[i*size:], Header(b.Seed, b.At+i*size, uint32(n)))
	}
	return data[HeaderBytes : (room-1)*size+HeaderBytes+uint64(n)], int(size), int(room)
}

// Laid commits the first count of the records of n bytes that the last Lay has laid.
func (b *Batch) Laid(n, count int) {
	b.At += uint64(count) * RecordBytes(n)
	b.Count += uint64(count)
}

// Add is Claim and Commit at once, for a record that Fits. Where it lies, which it returns, is to be filled in before any other call; and
// unless the Batch is Quiet then, it is owed a Hold or a Flush.
func (b *Batch) Add(n int) []byte {
	at := (b.At - b.Base) & b.Mask
	binary.LittleEndian.PutUint64(b.Data[at:], Header(b.Seed, b.At, uint32(n)))
	b.At += RecordBytes(n)
	b.Count++
	at += HeaderBytes
	return b.Data[at : at+uint64(n) : at+uint64(n)]
}

// Undo takes the record of the last Add back, which had n bytes.
func (b *Batch) Undo(n int) {
	b.At -= RecordBytes(n)
	b.Count--
}

// Owes reports whether so much is committed that it is to be published.
func (b *Batch) Owes() bool { return b.At >= b.Due }

// Quiet reports whether nothing need be done about what is committed: it is not so much that it is to be published, and Hold has said
// yes to it.
func (b *Batch) Quiet() bool { return b.At < b.Due && b.held == b.Due }

// Abort gives the open claim back, if there is one.
func (b *Batch) Abort() {
	if b.end == 0 {
		b.writer.Abort()
	}
	b.end = 0
}

// Hold is Holder's, and false if the writer is none. It costs nothing while nothing has been published since the last time.
func (b *Batch) Hold() bool { return b.Due != 0 && b.held == b.Due || b.hold() }

func (b *Batch) hold() bool {
	h, ok := b.writer.(Holder)
	if !ok || !h.Hold() {
		return false
	}
	b.held = b.Due
	return true
}

// Flush publishes what is committed and wakes a waiting consumer.
func (b *Batch) Flush() error { return b.writer.Flush() }

// End aborts an open claim, publishes what is committed and gives the ring back to the producer's other calls. The Batch, and what
// was claimed from it, must not be used afterwards.
func (b *Batch) End() error {
	b.Abort()
	if e, ok := b.writer.(Ender); ok {
		return e.End()
	}
	return b.writer.Flush()
}

package fabric

import "errors"

// Batch is records that a producer writes under one look at the ring: a claim and a commit cost writing the record,
// and no call through an interface. Producer.Begin lends it, until its End. One goroutine at a time.
//
// What is committed becomes visible at Flush, at End, when a claim finds no room, and by itself after PublishBytes. Across hosts all
// of these may wait for the network to take it.
type Batch struct {
	Run
	writer Writer
	end    uint64 // where the claimed record, or the first of those, will end; zero: none is claimed
	most   int    // how many are claimed
	held   uint64 // Due when Hold last said yes

	row
}

// PublishBytes is how much a producer commits at most before it publishes by itself; an eighth of the ring if that is less. Smaller
// steps would have the consumer on the producer's heels, where each takes the lines that the other is at.
const PublishBytes = 16 << 10

// Run is the memory that a fabric lends to its Batch, and how far the Batch has come in it. Only fabrics touch it. Cursors
// count bytes since the ring began; the row that begins at cursor c lies in Data from (c-Base)&Mask on, without a break.
type Run struct {
	Data  []byte
	Mask  uint64
	Base  uint64
	Seed  uint32 // of the marks, see Header
	At    uint64 // end of what is committed
	Count uint64 // records committed
	Limit uint64 // how far the Batch may go without asking; not below At, and not to be lowered but after Settle
	Max   uint64 // the longest record, bytes; a multiple of 8
	Due   uint64 // the cursor from which on a commit publishes

	// Kept is the user's: what lies in Data from that cursor on is not written over, even if the consumer has acked it. KeepNone
	// until it is set. Zero is a run whose Data is not the ring: what was committed is not to be found in it.
	Kept uint64
}

// Record returns the record of n bytes that lies at a cursor, as Batch.Last gives it, and where the next one of its row does; nil if there can be
// none. It is for what is Kept.
func (r *Run) Record(at uint64, n int) (record []byte, next uint64) {
	if n < 0 || uint64(n) > r.Max {
		return nil, at
	}
	from := r.place(at)
	return r.Data[from : from+uint64(n) : from+uint64(n)], at + padded(uint64(n))
}

// place is where in Data the bytes of the record at a cursor are. The cursor of a row's first record is that of the row, so that where memory
// is not mapped twice all of a row lies where its header does.
func (r *Run) place(at uint64) uint64 { return (at-r.Base)&r.Mask + HeaderBytes }

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

// MakeBatch returns a Batch whose run is empty: until a fabric sets one, each record is a call of w.
func MakeBatch(w Writer) Batch { return Batch{writer: w} }

var errBatchOpen = errors.New("fabric: a claim is open in the batch; commit or abort it first")

// Claim reserves n contiguous bytes for the next record. See Producer.Claim.
func (b *Batch) Claim(n int) ([]byte, error) {
	if uint64(n) != b.length || b.At >= b.till || b.end != 0 {
		switch {
		case b.end != 0:
			return nil, errBatchOpen
		case uint64(n) > b.Max || RecordBytes(n) > b.Limit-b.At:
			return b.writer.Claim(n) // which may make the run longer
		}
		b.open(uint64(n))
	}
	b.end, b.most = b.At+b.stride, 1
	at := b.place(b.At - HeaderBytes)
	return b.Data[at : at+uint64(n) : at+uint64(n)], nil
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

// Abort gives the open claim back, if there is one.
func (b *Batch) Abort() {
	if b.end == 0 {
		b.writer.Abort()
		return
	}
	b.end = 0
	b.drop()
}

// Fits reports whether the run covers a record of n bytes, so that Add takes it, and Claim without a look at the ring.
func (b *Batch) Fits(n int) bool {
	return uint64(n) <= b.Max && RecordBytes(n) <= b.Limit-b.At && b.end == 0
}

// Free returns how many bytes a record may have that is claimed without a look at the ring and committed without being published; zero if it may have none.
func (b *Batch) Free() int {
	room := min(b.Limit, max(b.Due, 1)-1) &^ (HeaderBytes - 1)
	if room < b.At+HeaderBytes {
		return 0
	}
	return int(min(room-b.At-HeaderBytes, b.Max))
}

// Add is Claim and Commit at once, for a record that Fits. Where it lies, which it returns, is to be filled in before any other call; and
// unless the Batch is Quiet then, it is owed a Hold or a Flush.
func (b *Batch) Add(n int) []byte {
	if uint64(n) != b.length || b.At >= b.till {
		b.open(uint64(n))
	}
	at := b.place(b.At - HeaderBytes)
	b.At += b.stride
	b.Count++
	return b.Data[at : at+uint64(n) : at+uint64(n)]
}

// Undo takes the record of the last Add back.
func (b *Batch) Undo() {
	b.At -= b.stride
	b.Count--
	b.drop()
}

// Last returns the cursor of the record of the last Add or Claim, and where the next one's would be in its row. See Run.Record.
func (b *Batch) Last() (at, next uint64) {
	end := b.At
	if b.end != 0 {
		end = b.end
	}
	return end - b.stride - HeaderBytes, end - HeaderBytes
}

// Owes reports whether so much is committed that it is to be published.
func (b *Batch) Owes() bool { return b.At >= b.Due }

// Quiet reports whether nothing need be done about what is committed: it is not so much that it is to be published, and Hold has said
// yes to it.
func (b *Batch) Quiet() bool { return b.At < b.Due && b.held == b.Due }

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

// Flush publishes what is committed and wakes a waiting consumer. It fails while a claim is open.
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

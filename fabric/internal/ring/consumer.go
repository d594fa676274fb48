package ring

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/borrow"
	"github.com/grafnode/grafnode/fabric/internal/step"
)

// Consumer implements fabric.Consumer.
type Consumer struct {
	side
	words     *ConsumerWords         // ours
	seed      uint32                 // of the marks, see fabric.Header
	mask      uint64                 // turns a cursor into a place in the data
	peer      atomic.Pointer[source] // stored by BindConsumer; nil until the producer is there
	recordMax uint64

	// The calls' own. Cursors count bytes, and records, since the ring began: acked <= read <= found <= published.
	acked, read, found cursor
	tail               uint64            // copy of the peer's cursor, checked
	ends               ends              // of the records from acked to read
	lengths            [lookAhead]uint32 // of those from read to found: record i's is at i%lookAhead
	stable             uint64            // what words.Stable says
	resumed            bool
	over               error // what Next says for good

	asked   atomic.Uint64 // what words.Hungry said when the producer was last asked to publish; of the wait
	emptyAt atomic.Uint64 // the peer's cursor when Next found nothing; stored by the calls, loaded by a wait beside them
}

// cursor is a place in the ring: bytes, and records, since it began.
type cursor struct{ at, count uint64 }

// source is what the consumer reads: the producer's words and data.
type source struct {
	words *ProducerWords
	data  []byte
}

// NewConsumer returns the consumer's side. words is fresh memory that nobody else writes.
func NewConsumer(setup Setup, words *ConsumerWords) *Consumer {
	c := &Consumer{
		words:     words,
		seed:      fabric.Seed(uint64(setup.Config.Generation)),
		mask:      uint64(setup.Config.Capacity - 1),
		recordMax: uint64(fabric.RecordMax(setup.Config.Capacity)),
	}
	c.init(setup, &words.Waiting, &words.Orders, c.hasNews)
	words.Hungry.Store(1) // the first record is not to be held
	return c
}

// BindConsumer gives a consumer its producer's words and data, which it never writes. Before that the ring is empty. Any
// goroutine, once.
func BindConsumer(c *Consumer, words *ProducerWords, data []byte) {
	c.peer.Store(&source{words, data})
	c.setup.Own.Signal()
}

func (c *Consumer) hasNews() bool {
	peer := c.peer.Load()
	if peer == nil {
		return false
	}
	at := c.emptyAt.Load()
	if peer.words.Tail.Load() != at {
		return true
	}
	c.ask(peer, at)
	return false
}

// ask tells the producer that this side found nothing behind at, and wakes it if it holds something back there. The producer
// stores Held before it loads Hungry, and here it is the other way round: so one of the two sees the other.
func (c *Consumer) ask(peer *source, at uint64) {
	if c.words.Hungry.Load() != at+1 {
		c.words.Hungry.Store(at + 1)
	}
	if peer.words.Held.Load() == at+1 && c.asked.Swap(at+1) != at+1 {
		if waiting := peer.words.Waiting.Load(); waiting&sleeps != 0 {
			c.setup.Peer.Ring(waiting & kinds)
		}
	}
}

// SetResume is fabric's SetResume.
func (c *Consumer) SetResume(note []byte) error {
	if err := c.beginWrite(); err != nil {
		return err
	}
	defer c.exit()
	if c.resumed {
		return errResumeOnce
	}
	if err := checkNote(note); err != nil {
		return err
	}
	c.resumed = true
	c.words.ResumeNote.write(uint64(c.setup.Config.Generation), 1, note)
	step.At("resume")
	c.words.Resume.Store(1)
	c.wakeProducer()
	return nil
}

// beginWrite is begin for calls that write.
func (c *Consumer) beginWrite() error {
	if err := c.begin(); err != nil {
		return err
	}
	if err := c.verdict(c.clock.passed); err != nil {
		c.exit()
		return err
	}
	return nil
}

func (c *Consumer) wakeProducer() {
	if peer := c.peer.Load(); peer != nil {
		c.fenceFor(&peer.words.Orders)
		c.wakePeer(peer.words.Waiting.Load())
	} else {
		c.setup.Peer.Ring(Awake) // its words are not here yet, but it may have ours already
	}
}

// Next is fabric's Next.
func (c *Consumer) Next() ([]byte, error) {
	if c.isClosed() {
		return nil, fabric.ErrClosed
	}
	if c.read.count == c.found.count {
		if err := c.look(); err != nil {
			return nil, err
		}
	}
	step.At("read")
	return c.take(), nil
}

// lookAhead is how many records a look finds at most. Looking costs two atomic additions, whatever it finds.
const lookAhead = 64

// take returns the next record that a look has found.
func (c *Consumer) take() []byte {
	n := uint64(c.lengths[c.read.count%lookAhead])
	at := c.read.at&c.mask + fabric.HeaderBytes
	c.read.at += fabric.RecordBytes(int(n))
	c.read.count++
	c.ends.push(c.read.at)
	return c.peer.Load().data[at : at+n : at+n]
}

// look finds the next records, one at least.
func (c *Consumer) look() error {
	if !c.enter() {
		return fabric.ErrClosed
	}
	defer c.exit()
	if err := c.some(); err != nil {
		return err
	}
	data := c.peer.Load().data
	for i := 0; i < lookAhead && c.found.at < c.tail; i++ {
		n, ok := c.measure(data, c.found.at)
		switch {
		case !ok && i > 0:
			return nil // the intact ones first
		case !ok:
			return c.badRecord(data)
		}
		c.lengths[c.found.count%lookAhead] = uint32(n)
		c.found.at += fabric.RecordBytes(int(n))
		c.found.count++
	}
	return nil
}

// some makes sure that there are bytes behind what was found.
func (c *Consumer) some() error {
	if c.over != nil {
		return c.over
	}
	if c.found.at == c.tail {
		return c.more()
	}
	return nil
}

// measure returns the length of the record at a place, and whether one may be there. Its header is read once: it may change under a
// hostile producer's hand.
func (c *Consumer) measure(data []byte, at uint64) (n uint64, ok bool) {
	head := binary.LittleEndian.Uint64(data[at&c.mask:])
	n = uint64(uint32(head))
	return n, head == fabric.Header(c.seed, at, uint32(head)) && n <= c.recordMax && fabric.RecordBytes(int(n)) <= c.tail-at
}

// badRecord is for a record that measure refuses.
func (c *Consumer) badRecord(data []byte) error {
	return c.damaged("record %d at byte %d has a bad header (%016x now), with %d bytes published behind it",
		c.found.count, c.found.at, binary.LittleEndian.Uint64(data[c.found.at&c.mask:]), c.tail-c.found.at)
}

// Drain is fabric's Drain. It uses the memory for as long as f may have it in its hands.
func (c *Consumer) Drain(limit int, f func(record []byte) error) (n int, err error) {
	if !c.enter() {
		return 0, fabric.ErrClosed
	}
	defer c.exit()
	enough := c.read.at + (c.mask+1)/8 // so that what is read is acked while the producer has room to go on
	if n, err = c.drainFound(limit, f); err != nil {
		return n, err
	}
	for n < limit && c.read.at < enough {
		if err := c.some(); err != nil && n == 0 {
			return 0, err
		} else if err != nil {
			return n, nil // it is said again
		}
		took, err := c.drain(limit-n, enough, f)
		n += took
		if err != nil || took == 0 {
			return n, err
		}
	}
	return n, nil
}

// drainFound is Drain for the records that Next has looked for.
func (c *Consumer) drainFound(limit int, f func(record []byte) error) (n int, err error) {
	for ; n < limit && c.read.count < c.found.count; n++ {
		before, ends := c.read, c.ends
		if err := borrow.Lend(c.take(), f); err != nil {
			c.read, c.ends = before, ends
			return n, err
		}
	}
	return n, nil
}

// drain is Drain for the records behind those, as far as the tail and until enough was read. Only a bad record makes it take none
// and return nil.
func (c *Consumer) drain(limit int, enough uint64, f func(record []byte) error) (n int, err error) {
	data, at, until := c.peer.Load().data, c.found.at, min(enough, c.tail)
	defer func() { // also if f panics
		c.found = cursor{at, c.found.count + uint64(n)}
		c.read = c.found
	}()
	for ; n < limit && at < until; n++ {
		size, ok := c.measure(data, at)
		if !ok && n == 0 {
			return 0, c.badRecord(data)
		}
		if !ok {
			return n, nil
		}
		from := at&c.mask + fabric.HeaderBytes
		if err := borrow.Lend(data[from:from+size:from+size], f); err != nil {
			return n, err
		}
		at += fabric.RecordBytes(int(size))
		c.ends.push(at)
	}
	return n, nil
}

// more looks for records behind the last one. The reason of a loss comes after them: so it is looked for first, and what was
// published before it is seen by the look that follows.
func (c *Consumer) more() error {
	if err := c.refresh(); err != nil || c.found.at != c.tail {
		return err
	}
	reason := c.verdict(c.clock.passed)
	if l := c.lost.Load(); l != nil {
		reason = l.err
	}
	if reason == nil {
		storeRelease(&c.emptyAt, c.tail)
		return fabric.ErrEmpty
	}
	if err := c.refresh(); err != nil || c.found.at != c.tail {
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

// Ack is fabric's Ack.
func (c *Consumer) Ack(n uint64, stable []byte) error {
	if err := c.beginWrite(); err != nil {
		return err
	}
	defer c.exit()
	if n < c.acked.count || n > c.read.count {
		return fmt.Errorf("ring: ack of %d records, after %d acked and %d read", n, c.acked.count, c.read.count)
	}
	if err := checkNote(stable); err != nil {
		return err
	}
	if stable != nil {
		c.stable++
		c.words.StableNotes[c.stable%2].write(uint64(c.setup.Config.Generation), c.stable, stable)
		step.At("ack/written")
		c.words.Stable.Store(c.stable)
		step.At("ack/noted")
	}
	if n > c.acked.count {
		c.acked = cursor{c.ends.after(c.acked, n), n}
		storeRelease(&c.words.Count, c.acked.count)
		step.At("ack/counted")
		storeRelease(&c.words.Acked, c.acked.at)
		step.At("ack/visible")
	}
	c.wakeProducer()
	return nil
}

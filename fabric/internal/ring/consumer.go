package ring

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/borrow"
)

// Consumer implements fabric.Consumer.
type Consumer struct {
	side
	words *ConsumerWords // ours
	seed  uint32
	peer  atomic.Pointer[source] // stored by BindConsumer; nil until the producer is there

	// The calls' own. Cursors count bytes, and records, since the ring began: acked <= read <= found <= published.
	acked, read, found struct{ at, count uint64 }
	tail               uint64  // copy of the peer's cursor, checked
	lengths            lengths // of the records from acked to found
	stable             uint64  // what words.Stable says
	resumed            bool
	over               error // what Next says for good

	asked   atomic.Uint64 // what words.Hungry said when the producer was last asked to publish; of the wait
	emptyAt atomic.Uint64 // the peer's cursor when Next found nothing; stored by the calls, loaded by a wait beside them
}

// source is what the consumer reads: the producer's words and data.
type source struct {
	words *ProducerWords
	data  []byte
}

// NewConsumer returns the consumer's side. words is fresh memory that nobody else writes.
func NewConsumer(setup Setup, words *ConsumerWords) *Consumer {
	c := &Consumer{words: words, seed: fabric.Seed(uint64(setup.Config.Generation))}
	c.init(setup, &words.Waiting, c.hasNews)
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
		c.setup.Peer.Signal()
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
		c.wakePeer(peer.words.Waiting.Load())
	} else {
		c.setup.Peer.Signal() // its words are not here yet, but it may have ours already
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
	n := uint64(c.lengths.at(c.read.count))
	at := c.place(c.read.at) + fabric.HeaderBytes
	c.read.at += fabric.RecordBytes(int(n))
	c.read.count++
	data := c.peer.Load().data
	return data[at : at+n : at+n], nil
}

// Drain is fabric's Drain.
func (c *Consumer) Drain(limit int, f func(record []byte) error) (int, error) {
	if !c.enter() { // for as long as f has the memory in its hands
		return 0, fabric.ErrClosed
	}
	defer c.exit()
	for n := range limit {
		before := c.read
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

// place is where in the data a cursor points.
func (c *Consumer) place(cursor uint64) uint64 { return cursor & uint64(c.setup.Config.Capacity-1) }

// lookAhead is how many records a look finds at most. Looking costs two atomic additions, whatever it finds.
const lookAhead = 64

// look finds the next records, one at least.
func (c *Consumer) look() error {
	if !c.enter() {
		return fabric.ErrClosed
	}
	defer c.exit()
	if c.over != nil {
		return c.over
	}
	if c.found.at == c.tail {
		if err := c.more(); err != nil {
			return err
		}
	}
	data := c.peer.Load().data
	for i := 0; i < lookAhead && c.found.at < c.tail; i++ {
		head := binary.LittleEndian.Uint64(data[c.place(c.found.at):]) // once: it may change under a hostile producer's hand
		n := uint32(head)
		size := fabric.RecordBytes(int(n))
		if head != fabric.Header(c.seed, c.found.at, n) || int(n) > fabric.RecordMax(c.setup.Config.Capacity) || size > c.tail-c.found.at {
			if i > 0 {
				return nil // the intact ones first
			}
			return c.damaged("record %d at byte %d: bad header %016x, %d bytes published", c.found.count, c.found.at, head, c.tail-c.found.at)
		}
		c.lengths.push(n)
		c.found.at += size
		c.found.count++
	}
	return nil
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
		c.emptyAt.Store(c.tail)
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
		c.words.Stable.Store(c.stable)
	}
	if n > c.acked.count {
		for ; c.acked.count < n; c.acked.count++ {
			c.acked.at += fabric.RecordBytes(int(c.lengths.pop()))
		}
		c.words.Count.Store(c.acked.count)
		c.words.Acked.Store(c.acked.at)
	}
	c.wakeProducer()
	return nil
}

// lengths is a queue of records' lengths, numbered as the records are. It is kept apart from the ring because what the
// producer has written is not read, or trusted, twice. It grows to at most one entry for 8 bytes of capacity.
type lengths struct {
	queue       []uint32 // a power of two long
	first, next uint64
}

func (l *lengths) push(n uint32) {
	if l.next-l.first == uint64(len(l.queue)) {
		l.grow()
	}
	l.queue[l.next&uint64(len(l.queue)-1)] = n
	l.next++
}

func (l *lengths) grow() {
	bigger := make([]uint32, max(2*lookAhead, 2*len(l.queue)))
	for i := l.first; i < l.next; i++ {
		bigger[i&uint64(len(bigger)-1)] = l.at(i)
	}
	l.queue = bigger
}

// at returns entry i, one of first to next-1.
func (l *lengths) at(i uint64) uint32 { return l.queue[i&uint64(len(l.queue)-1)] }

// pop takes the first entry.
func (l *lengths) pop() uint32 {
	n := l.at(l.first)
	l.first++
	return n
}

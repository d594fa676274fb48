package ring

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/grafnode/grafnode/fabric"
)

// Consumer implements fabric.Consumer.
type Consumer struct {
	side
	words *ConsumerWords // ours
	seed  uint32
	peer  atomic.Pointer[source] // stored by BindConsumer; nil until the producer is there

	// The calls' own. Cursors count bytes since the ring began.
	read    uint64 // end of what Next has returned
	tail    uint64 // copy of the peer's cursor, checked
	freed   uint64 // what words.Acked says
	unacked sizes  // of the records between freed and read
	count   uint64 // records read
	acked   uint64 // records acknowledged
	stable  uint64 // what words.Stable says
	resumed bool
	over    error // what Next says for good

	emptyAt atomic.Uint64 // the peer's cursor when Next found nothing; stored by the calls, loaded by a wait beside them
}

// source is what the consumer reads: the producer's words and data.
type source struct {
	words *ProducerWords
	data  []byte
}

// NewConsumer returns the consumer's side. words is fresh memory that nobody else writes.
func NewConsumer(setup Setup, words *ConsumerWords) *Consumer {
	c := &Consumer{words: words, seed: seed(uint64(setup.Config.Generation))}
	c.init(setup, &words.Waiting, c.hasNews)
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
	return peer != nil && peer.words.Tail.Load() != c.emptyAt.Load()
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
	if !c.enter() {
		return nil, fabric.ErrClosed
	}
	defer c.exit()
	if c.over != nil {
		return nil, c.over
	}
	if c.read == c.tail {
		if err := c.more(); err != nil {
			return nil, err
		}
	}
	return c.record(c.peer.Load())
}

// more looks for records behind the last one. The reason of a loss comes after them: so it is looked for first, and what was
// published before it is seen by the look that follows.
func (c *Consumer) more() error {
	if err := c.refresh(); err != nil || c.read != c.tail {
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
	if err := c.refresh(); err != nil || c.read != c.tail {
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
	if tail < c.tail || tail-c.freed > uint64(c.setup.Config.Capacity) || tail%headerBytes != 0 {
		return c.damaged("the producer's cursor is %d after %d, with %d bytes freed of a ring of %d", tail, c.tail, c.freed, c.setup.Config.Capacity)
	}
	c.tail = tail
	return nil
}

// damaged is corrupt for what Next reads: it ends reading too.
func (c *Consumer) damaged(format string, args ...any) error {
	c.over = c.corrupt(format, args...)
	return c.over
}

// record takes the record at the read cursor, of which at least the header lies before the tail.
func (c *Consumer) record(peer *source) ([]byte, error) {
	at := c.read & uint64(c.setup.Config.Capacity-1)
	head := binary.LittleEndian.Uint64(peer.data[at:]) // once: it may change under a hostile producer's hand
	n := uint32(head)
	size := sizeOf(int(n))
	if head != header(c.seed, c.read, n) || int(n) > fabric.RecordMax(c.setup.Config.Capacity) || size > c.tail-c.read {
		return nil, c.damaged("record %d at byte %d: bad header %016x, %d bytes published", c.count, c.read, head, c.tail-c.read)
	}
	c.read += size
	c.count++
	c.unacked.push(uint32(size))
	at += headerBytes
	return peer.data[at : at+uint64(n) : at+uint64(n)], nil
}

// Ack is fabric's Ack.
func (c *Consumer) Ack(n uint64, stable []byte) error {
	if err := c.beginWrite(); err != nil {
		return err
	}
	defer c.exit()
	if n < c.acked || n > c.count {
		return fmt.Errorf("ring: ack of %d records, after %d acked and %d read", n, c.acked, c.count)
	}
	if err := checkNote(stable); err != nil {
		return err
	}
	if stable != nil {
		c.stable++
		c.words.StableNotes[c.stable%2].write(uint64(c.setup.Config.Generation), c.stable, stable)
		c.words.Stable.Store(c.stable)
	}
	if n > c.acked {
		c.freed += c.unacked.pop(n - c.acked)
		c.acked = n
		c.words.Count.Store(n)
		c.words.Acked.Store(c.freed)
	}
	c.wakeProducer()
	return nil
}

// sizes is a queue of what the unacked records take in the ring. It is kept apart from the ring because what the producer
// has written is not read, or trusted, twice. It grows to at most one entry for 8 bytes of capacity.
type sizes struct {
	queue       []uint32 // a power of two long
	first, next uint64
}

func (s *sizes) push(size uint32) {
	if s.next-s.first == uint64(len(s.queue)) {
		s.grow()
	}
	s.queue[s.next&uint64(len(s.queue)-1)] = size
	s.next++
}

func (s *sizes) grow() {
	bigger := make([]uint32, max(64, 2*len(s.queue)))
	for i := s.first; i < s.next; i++ {
		bigger[i&uint64(len(bigger)-1)] = s.queue[i&uint64(len(s.queue)-1)]
	}
	s.queue = bigger
}

// pop takes n entries and returns their sum.
func (s *sizes) pop(n uint64) (sum uint64) {
	for end := s.first + n; s.first < end; s.first++ {
		sum += uint64(s.queue[s.first&uint64(len(s.queue)-1)])
	}
	return sum
}

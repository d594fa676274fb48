package ring

import (
	"fmt"
	"sync/atomic"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/step"
)

// Consumer implements fabric.Consumer. What it reads is in reading.go.
type Consumer struct {
	side
	words     *ConsumerWords         // ours
	seed      uint32                 // of the marks, see fabric.Header
	mask      uint64                 // turns a cursor into a place in the data
	peer      atomic.Pointer[source] // stored by BindConsumer; nil until the producer is there
	recordMax uint64

	// The calls' own. Cursors count bytes, and records, since the ring began: acked <= read <= found <= published.
	acked   cursor
	found   found
	tail    uint64 // copy of the peer's cursor, checked
	ends    ends   // of the records from acked to found
	stable  uint64 // what words.Stable says
	resumed bool
	over    error // what Next says for good

	asked   atomic.Uint64 // what words.Hungry said when the producer was last asked to publish; of the wait
	active  sign
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
	c.init(setup, &words.Waiting, &words.Orders, c.hasNews, listens, c.waited)
	words.Hungry.Store(1) // the first record is not to be held
	return c
}

// BindConsumer gives a consumer its producer's words and data, which it never writes. Before that the ring is empty. Any
// goroutine, once.
func BindConsumer(c *Consumer, words *ProducerWords, data []byte) {
	c.peer.Store(&source{words, data})
	c.setup.Own.Signal()
}

func listens() uint64 { return 0 }

func (c *Consumer) hasNews() bool {
	peer := c.peer.Load()
	if peer == nil {
		return false
	}
	at := c.emptyAt.Load()
	if peer.words.Tail.Load() != at || c.active.isNews(peer.words.Active.Load()) {
		return true
	}
	c.ask(peer, at)
	prefetch(&peer.data[at&c.mask]) // with the first record's line under way, who sees it published need not wait for it as well
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
	c.wakeProducer(0)
	return nil
}

// beginWrite is begin for calls that write.
func (c *Consumer) beginWrite() error {
	if err := c.begin(); err != nil {
		return err
	}
	if err := c.verdict(); err != nil {
		c.exit()
		return err
	}
	return nil
}

// wakeProducer wakes the producer if it sleeps and is not deaf to what has changed.
func (c *Consumer) wakeProducer(deaf uint64) {
	if peer := c.peer.Load(); peer != nil {
		c.fenceFor(peer.words.Orders.Load())
		if waiting := peer.words.Waiting.Load(); waiting&deaf == 0 {
			c.wakePeer(waiting)
		}
	} else {
		c.setup.Peer.Ring(Awake) // its words are not here yet, but it may have ours already
	}
}

// Ack is fabric's Ack.
func (c *Consumer) Ack(n uint64, stable []byte) error {
	if err := c.beginWrite(); err != nil {
		return err
	}
	err := c.ack(n, stable)
	c.exit()
	return err
}

func (c *Consumer) ack(n uint64, stable []byte) error {
	if read := c.found.read(); n < c.acked.count || n > read {
		return fmt.Errorf("ring: ack of %d records, after %d acked and %d read", n, c.acked.count, read)
	}
	deaf := deafness
	if stable != nil {
		if err := c.note(stable); err != nil {
			return err
		}
		deaf = toAcks
	}
	if n > c.acked.count {
		c.acked = c.ends.after(c.acked, n)
		storeRelease(&c.words.Count, c.acked.count)
		step.At("ack/counted")
		storeRelease(&c.words.Acked, c.acked.at)
		step.At("ack/visible")
	}
	c.wakeProducer(deaf)
	return nil
}

// note writes a stable note.
func (c *Consumer) note(stable []byte) error {
	if err := checkNote(stable); err != nil {
		return err
	}
	c.stable++
	c.words.StableNotes[c.stable%2].write(uint64(c.setup.Config.Generation), c.stable, stable)
	step.At("ack/written")
	c.words.Stable.Store(c.stable)
	step.At("ack/noted")
	return nil
}

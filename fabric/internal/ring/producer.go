package ring

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/grafnode/grafnode/fabric"
)

// Producer implements fabric.Producer.
type Producer struct {
	side
	words *ProducerWords // ours
	data  []byte         // ours; longer than the capacity, see DataBytes
	seed  uint32
	peer  atomic.Pointer[ConsumerWords] // stored by BindProducer; nil until the consumer is there

	// The calls' own. Cursors count bytes since the ring began.
	tail      uint64 // end of what is committed
	published uint64 // what words.Tail says
	acked     uint64 // copy of the peer's cursor, checked
	count     uint64 // records committed
	claimed   int    // bytes claimed, or none
	full      bool   // the last claim found no room: wanted is set
	resume    []byte // once read

	// Stored by the calls, loaded by a wait beside them.
	wanted     atomic.Uint64 // how far the peer must have acked for the last claim; zero: it got its room
	stableSeen atomic.Uint64
	resumeSeen atomic.Bool
}

const none = -1

// NewProducer returns the producer's side. words and data are fresh memory that nobody else writes.
func NewProducer(setup Setup, words *ProducerWords, data []byte) *Producer {
	p := &Producer{words: words, data: data, seed: seed(uint64(setup.Config.Generation)), claimed: none}
	p.init(setup, &words.Waiting, p.hasNews)
	return p
}

// BindProducer gives a producer its consumer's words. Before that the ring takes records until it is full, and there are no
// notes. Any goroutine, once. It is no method because it is the fabric's to call, not the user's.
func BindProducer(p *Producer, peer *ConsumerWords) {
	p.peer.Store(peer)
	p.setup.Own.Signal()
}

func (p *Producer) hasNews() bool {
	peer := p.peer.Load()
	if peer == nil {
		return false
	}
	wanted := p.wanted.Load()
	return wanted != 0 && peer.Acked.Load() >= wanted ||
		peer.Stable.Load() != p.stableSeen.Load() ||
		peer.Resume.Load() != 0 && !p.resumeSeen.Load()
}

// Claim is fabric's Claim. An open claim keeps the memory in use, so that a Close beside it takes nothing away.
func (p *Producer) Claim(n int) ([]byte, error) {
	if err := p.begin(); err != nil {
		return nil, err
	}
	b, err := p.claim(n)
	if err != nil {
		p.exit()
	}
	return b, err
}

func (p *Producer) claim(n int) ([]byte, error) {
	switch {
	case p.claimed != none:
		return nil, errClaimOpen
	case n < 0:
		return nil, fmt.Errorf("ring: claim of %d bytes", n)
	case n > fabric.RecordMax(p.setup.Config.Capacity):
		return nil, fmt.Errorf("%d bytes, at most %d: %w", n, fabric.RecordMax(p.setup.Config.Capacity), fabric.ErrTooLarge)
	case p.setup.Control.Sealed.Load() != uint32(open):
		return nil, p.verdict(p.clock.passed)
	}
	if end := p.tail + sizeOf(n); end > p.acked+uint64(p.setup.Config.Capacity) {
		if err := p.makeRoom(end); err != nil {
			return nil, err
		}
	}
	if p.full {
		p.full = false
		p.wanted.Store(0)
	}
	p.claimed = n
	at := p.place(p.tail) + headerBytes
	return p.data[at : at+uint64(n) : at+uint64(n)], nil
}

// place is where in the data a cursor points.
func (p *Producer) place(cursor uint64) uint64 { return cursor & uint64(p.setup.Config.Capacity-1) }

// makeRoom looks whether the ring may go on to end. If not it publishes what there is, because acks can only follow what was
// seen, and notes for Wait what it lacks.
func (p *Producer) makeRoom(end uint64) error {
	if err := p.refresh(); err != nil {
		return err
	}
	wanted := end - min(end, uint64(p.setup.Config.Capacity))
	if p.acked >= wanted {
		return nil
	}
	p.full = true
	p.wanted.Store(wanted)
	if err := p.publish(); err != nil {
		return err
	}
	return fabric.ErrFull
}

// refresh takes the consumer's cursor over, if it is one.
func (p *Producer) refresh() error {
	peer := p.peer.Load()
	if peer == nil {
		return nil
	}
	acked := peer.Acked.Load()
	if acked < p.acked || acked > p.published || acked%headerBytes != 0 {
		return p.corrupt("the consumer's cursor is %d after %d, with %d bytes published", acked, p.acked, p.published)
	}
	p.acked = acked
	return nil
}

// Commit is fabric's Commit. It publishes by itself once an eighth of the ring has been committed, so that the two sides
// work at the same time.
func (p *Producer) Commit() error {
	if p.claimed == none {
		if p.isClosed() {
			return fabric.ErrClosed
		}
		return errNoClaim
	}
	defer p.exit()
	n := p.claimed
	p.claimed = none
	switch l := p.lost.Load(); {
	case p.isClosed():
		return fabric.ErrClosed
	case l != nil:
		return l.err
	}
	binary.LittleEndian.PutUint64(p.data[p.place(p.tail):], header(p.seed, p.tail, uint32(n)))
	p.tail += sizeOf(n)
	p.count++
	if p.tail-p.published >= uint64(p.setup.Config.Capacity)/8 {
		return p.publish()
	}
	return nil
}

// Abort is fabric's Abort.
func (p *Producer) Abort() {
	if p.claimed != none {
		p.claimed = none
		p.exit()
	}
}

// Flush is fabric's Flush.
func (p *Producer) Flush() error {
	if err := p.begin(); err != nil {
		return err
	}
	defer p.exit()
	return p.publish()
}

// publish looks whether the ring may still be used, and then moves the published cursor to the end of what is committed.
func (p *Producer) publish() error {
	if err := p.verdict(p.clock.passed); err != nil {
		return err
	}
	if p.published == p.tail {
		return nil
	}
	p.published = p.tail
	p.words.Count.Store(p.count)
	p.words.Tail.Store(p.tail)
	p.wakeConsumer()
	return nil
}

func (p *Producer) wakeConsumer() {
	if peer := p.peer.Load(); peer != nil {
		p.wakePeer(peer.Waiting.Load())
	} else {
		p.setup.Peer.Signal() // its words are not here yet, but it may have ours already
	}
}

// Resume is fabric's Resume.
func (p *Producer) Resume() ([]byte, bool, error) {
	if err := p.begin(); err != nil {
		return nil, false, err
	}
	defer p.exit()
	peer := p.peer.Load()
	if p.resume == nil && peer != nil {
		switch n := peer.Resume.Load(); n {
		case 0:
		case 1:
			note, ok := peer.ResumeNote.read(uint64(p.setup.Config.Generation), 1)
			if !ok {
				return nil, false, p.corrupt("the resume note's checksum or length is wrong")
			}
			p.resume = note
			p.resumeSeen.Store(true)
		default:
			return nil, false, p.corrupt("the resume word is %d", n)
		}
	}
	return bytes.Clone(p.resume), p.resume != nil, nil
}

// stableTries bounds how often Stable tries to catch a note that is being replaced under its eyes.
const stableTries = 16

// Stable is fabric's Stable. A note that is replaced each time it looks shows later.
func (p *Producer) Stable() ([]byte, bool, error) {
	if err := p.begin(); err != nil {
		return nil, false, err
	}
	defer p.exit()
	peer, seen := p.peer.Load(), p.stableSeen.Load()
	if peer == nil {
		return nil, false, nil
	}
	for range stableTries {
		number := peer.Stable.Load()
		if number == seen {
			return nil, false, nil
		}
		if number < seen {
			return nil, false, p.corrupt("the stable note is number %d after %d", number, seen)
		}
		note, ok := peer.StableNotes[number%2].read(uint64(p.setup.Config.Generation), number)
		if peer.Stable.Load() != number {
			continue // replaced meanwhile: what was read may be of two notes
		}
		if !ok {
			return nil, false, p.corrupt("the checksum or length of stable note %d is wrong", number)
		}
		p.stableSeen.Store(number)
		return note, true, nil
	}
	return nil, false, nil
}

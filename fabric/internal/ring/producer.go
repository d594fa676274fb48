package ring

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/step"
)

// Producer implements fabric.Producer. Its batches are in batch.go, the notes that it reads in notes.go.
type Producer struct {
	side
	words *ProducerWords                // ours
	peer  atomic.Pointer[ConsumerWords] // stored by BindProducer; nil until the consumer is there

	// The calls' own. Cursors count bytes since the ring began.
	batch     fabric.Batch // its Run is where we stand, whether or not it is lent
	lent      bool         // by Begin
	published uint64       // what words.Tail says
	acked     uint64       // copy of the peer's cursor, checked
	claimed   int          // bytes claimed by Claim, or none
	step      uint64       // bytes after which to publish
	full      bool         // the last claim found no room: wanted is set
	resume    []byte       // once read

	// Stored by the calls, loaded by a wait beside them.
	wanted     atomic.Uint64 // how far the peer must have acked for the last claim; zero: it got its room. Partner: side.awake, as of the next
	deafened   atomic.Bool   // by Heed
	stableSeen atomic.Uint64
	resumeSeen atomic.Bool
	want       sign
}

const none = -1

// NewProducer returns the producer's side. words and data are fresh memory that nobody else writes; data is longer than the
// capacity, see DataBytes.
func NewProducer(setup Setup, words *ProducerWords, data []byte) *Producer {
	p := &Producer{words: words, claimed: none, step: min(fabric.PublishBytes, uint64(setup.Config.Capacity)/8)}
	p.batch = fabric.MakeBatch((*writer)(p))
	p.batch.Run = fabric.Run{
		Data: data,
		Mask: uint64(setup.Config.Capacity - 1),
		Seed: fabric.Seed(uint64(setup.Config.Generation)),
		Max:  uint64(fabric.RecordMax(setup.Config.Capacity)),
		Due:  p.step,
		Kept: fabric.KeepNone,
	}
	p.init(setup, &words.Waiting, &words.Orders, p.hasNews, p.deafTo, p.waited)
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
	wanted, held := p.wanted.Load(), p.words.Held.Load()
	return wanted != 0 && peer.Acked.Load() >= wanted ||
		held != 0 && held == peer.Hungry.Load() && held == p.words.Tail.Load()+1 ||
		!p.deafened.Load() && peer.Stable.Load() != p.stableSeen.Load() ||
		peer.Resume.Load() != 0 && !p.resumeSeen.Load() ||
		p.want.isNews(peer.Want.Load())
}

// deafTo returns which acks do not end a wait: notes may be for nobody, and room is news only where it was lacking. Who changes that looks at
// the waiting word afterwards, and a sleeper looks at this after its waiting word is stored: so one of the two sees the other. Both are of one
// process, whose atomics are in one order. A consumer that saw the deaf word had stored its ack before, and the sleeper looks for acks behind the barrier that follows its next one:
// so no ack is lost for which nobody rang.
func (p *Producer) deafTo() uint64 {
	switch {
	case p.wanted.Load() != 0:
		return 0
	case p.deafened.Load():
		return toAcks
	}
	return toRoom
}

// Heed implements fabric.Heeder.
func (p *Producer) Heed(notes bool) {
	if p.deafened.Swap(!notes) && notes && p.words.Waiting.Load()&toAcks != 0 {
		p.setup.Own.Signal()
	}
}

// Claim is fabric's Claim. An open claim keeps the memory in use, so that a Close beside it takes nothing away.
func (p *Producer) Claim(n int) ([]byte, error) {
	if err := p.begin(); err != nil {
		return nil, err
	}
	err := p.free()
	if err == nil {
		err = p.ensure(n)
	}
	if err != nil {
		p.exit()
		return nil, err
	}
	p.claimed = n
	step.At("claim")
	run := &p.batch.Run
	at := run.At&run.Mask + fabric.HeaderBytes
	return run.Data[at : at+uint64(n) : at+uint64(n)], nil
}

// free reports whether another claim or batch stands in the way of one.
func (p *Producer) free() error {
	switch {
	case p.lent:
		return errBatchOpen
	case p.claimed != none:
		return errClaimOpen
	}
	return nil
}

// ensure makes sure that the next record may have n bytes.
func (p *Producer) ensure(n int) error {
	switch {
	case n < 0:
		return fmt.Errorf("ring: claim of %d bytes", n)
	case uint64(n) > p.batch.Max:
		return fmt.Errorf("%d bytes, at most %d: %w", n, p.batch.Max, fabric.ErrTooLarge)
	case p.setup.Control.Sealed.Load() != uint32(open):
		return p.verdict()
	}
	if end := p.batch.At + fabric.RecordBytes(n); end > p.acked+uint64(p.setup.Config.Capacity) {
		if err := p.makeRoom(end); err != nil {
			return err
		}
	}
	if p.full {
		p.full = false
		p.wanted.Store(0)
	}
	return nil
}

// makeRoom looks whether the ring may go on to end. If not it publishes what there is, because acks can only follow what was
// seen, and notes for Wait what it lacks: before it looks again, so that an ack that comes meanwhile is seen here or there.
func (p *Producer) makeRoom(end uint64) error {
	wanted := end - min(end, uint64(p.setup.Config.Capacity))
	if err := p.refresh(); err != nil || p.acked >= wanted {
		return err
	}
	if err := p.publish(); err != nil {
		return err
	}
	p.full = true
	p.wanted.Store(wanted)
	if p.words.Waiting.Load()&deafness != 0 { // a sleeper that hears of nothing else is to hear of room
		p.setup.Own.Signal()
	}
	if err := p.refresh(); err != nil || p.acked >= wanted {
		return err
	}
	if p.setup.Short != nil {
		p.setup.Short(wanted)
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
	if acked < p.acked || acked > p.published || acked%fabric.HeaderBytes != 0 {
		return p.corrupt("the consumer's cursor is %d after %d, with %d bytes published", acked, p.acked, p.published)
	}
	p.acked = acked
	return nil
}

// Commit is fabric's Commit.
func (p *Producer) Commit() error {
	if p.claimed == none {
		if p.isClosed() {
			return fabric.ErrClosed
		}
		return errNoClaim
	}
	err := p.commit()
	p.exit()
	return err
}

// commit is Commit of an open claim.
func (p *Producer) commit() error {
	n := p.claimed
	p.claimed = none
	switch l := p.lost.Load(); {
	case p.isClosed():
		return fabric.ErrClosed
	case l != nil:
		return l.tell()
	}
	run := &p.batch.Run
	binary.LittleEndian.PutUint64(run.Data[run.At&run.Mask:], fabric.Header(run.Seed, run.At, uint32(n), 1))
	step.At("commit")
	run.At += fabric.RecordBytes(n)
	run.Limit = run.At
	run.Count++
	if run.At >= run.Due {
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
	err := p.publish()
	p.exit()
	return err
}

// publish looks whether the ring may still be used, and then moves the published cursor to the end of what is committed.
func (p *Producer) publish() error {
	if err := p.verdict(); err != nil {
		return err
	}
	if err := p.batch.Settle(); err != nil {
		return err
	}
	run := &p.batch.Run
	if p.published == run.At {
		return nil
	}
	p.published = run.At
	run.Due = run.At + p.step
	step.At("publish")
	storeRelease(&p.words.Count, run.Count)
	step.At("publish/counted")
	storeRelease(&p.words.Tail, run.At)
	step.At("publish/visible")
	p.wakeConsumer()
	return nil
}

func (p *Producer) wakeConsumer() {
	if peer := p.peer.Load(); peer != nil {
		p.fenceFor(peer.Orders.Load())
		p.wakePeer(peer.Waiting.Load())
	} else {
		p.setup.Peer.Ring(Awake) // its words are not here yet, but it may have ours already
	}
}

// Hold implements fabric.Holder.
func (p *Producer) Hold() bool {
	if p.begin() != nil {
		return false // Flush tells why
	}
	defer p.exit()
	peer := p.peer.Load()
	if peer == nil || p.published == p.batch.At {
		return false // yes would be taken to cover what is committed next
	}
	held := p.published + 1
	if p.words.Held.Load() != held {
		p.words.Held.Store(held)
	}
	hungry := peer.Hungry.Load()
	return hungry != 0 && hungry != held
}

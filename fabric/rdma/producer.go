package rdma

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/ring"
	"github.com/grafnode/grafnode/fabric/internal/step"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// producer is the writing side of a ring on another host: a ring of its own, whose consumer is the adapter. What is published there is
// posted by the goroutine that publishes it, at the same places in the ring's memory; what does not fit the window is posted later, all that has
// come together meanwhile at once, by the goroutine that takes completions.
type producer struct {
	ringSide // the mirror's
	queue

	ring     *ring.Producer // the same
	own      ring.ChanEvent
	mirror   *mirror
	line     line
	there    answer
	key      uint32 // of the mirror's data
	capacity uint64
	writeMax uint64 // bytes
	most     int    // writes of a message

	proof  chan error // of capacity one: nil when a write has been answered, or why none will be
	proved bool       // that was said; of the goroutine that takes completions

	wanted   uint64 // of the last claim that has found no room; of the goroutine that is in the calls
	closing  sync.Once
	closeErr error

	// Guarded by queue.mu.
	failure      error  // of this end's adapter
	sent         uint64 // cursor up to which records have been posted
	messages     uint64 // ever posted
	allowed      uint64 // how many the owner has posted receives for
	grants       uint64 // by which it has said so
	acked        uint64 // the consumer's cursor
	short        uint64 // the cursor up to which the last claim without room wanted to write
	toldShort    uint64
	receives     uint64 // ever posted
	toldReceives uint64
	words        [wordsBytes]byte
}

// ringSide hides what the mirror's side has beside the contract: of a note that comes by the connection and room that comes by the adapter either
// may be first, so this is no fabric.Heeder.
type ringSide interface{ fabric.Producer }

// line is a tcp.Line.
type line interface {
	Activate() error
	Fail(why error)
	Depart(tail uint64) error
}

// bell is rung by the mirror's producer when it has published.
type bell producer

// Ring implements ring.Bell.
func (b *bell) Ring(uint64) {
	p := (*producer)(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mirror.consumer().Carried()
	p.push()
}

// isShort is called when a claim has found no room.
func (p *producer) isShort(wanted uint64) {
	if wanted == p.wanted {
		return // it is said, or will be
	}
	p.wanted = wanted
	p.mu.Lock()
	defer p.mu.Unlock()
	p.short = wanted + p.capacity
	p.push()
}

// push posts what is new, if there is room for a message. The caller has mu.
func (p *producer) push() {
	tail := p.mirror.producer().Tail.Load() // its partner is ring's publish; the records' count may be ahead of it already
	switch {
	case p.broken, p.messages == p.allowed, p.window.free() < p.most:
		return
	case tail == p.sent && p.short == p.toldShort && p.receives-p.toldReceives < remoteGrantEach:
		return
	}
	if err := p.send(tail); err != nil {
		p.line.Fail(err)
	}
}

// send posts a message. The caller has mu, and knows that there is room.
func (p *producer) send(tail uint64) error {
	p.pieces(tail)
	binary.NativeEndian.PutUint64(p.words[0:], p.mirror.producer().Count.Load())
	binary.NativeEndian.PutUint64(p.words[8:], p.short)
	binary.NativeEndian.PutUint64(p.words[16:], p.receives)
	slot := p.there.Words.At + p.messages%ownerReceives*wordsBytes
	p.batch = append(p.batch, verbs.Write{
		Local: p.words[:], To: slot, RKey: p.there.Words.Key, Inline: true, WithImm: true, Imm: uint32(tail >> 3),
	})
	records := tail - p.sent
	p.sent, p.toldShort, p.toldReceives = tail, p.short, p.receives
	p.messages++
	step.At("post")
	err := p.post(p.batch, records)
	step.At("post/done")
	return err
}

// pieces puts what lies between sent and tail into batch: the ring's end may lie between, and the adapter may take no more at once.
func (p *producer) pieces(tail uint64) {
	p.batch = p.batch[:0]
	for at := p.sent; at < tail; {
		from := at & (p.capacity - 1)
		n := min(tail-at, p.capacity-from, p.writeMax)
		p.batch = append(p.batch, verbs.Write{
			Local: p.mirror.data()[from : from+n : from+n], Key: p.key, To: p.there.Ring.At + from, RKey: p.there.Ring.Key,
		})
		at += n
	}
}

// listen takes completions.
func (p *producer) listen() {
	defer close(p.done)
	switch err := p.run(p.took); {
	case err == nil:
	case p.proved:
		p.mu.Lock()
		p.failure = err
		p.mu.Unlock()
		p.line.Fail(err)
	default:
		p.proof <- err
	}
}

func (p *producer) took(messages int) error {
	if !p.proved {
		p.proved = true // what completes first is the first message
		p.proof <- nil
	}
	posted, err := p.receive(remoteGrantEach)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.receives += uint64(posted)
	if messages > 0 {
		p.acked, p.grants = said(p.last, p.acked, p.grants)
		p.mirror.consumer().Acked.Store(p.acked) // its partner is ring's look for room, which checks it
		p.allowed = ownerReceives + p.grants*grantEach
		if p.allowed-p.messages > ownerReceives {
			err = fmt.Errorf("%w: rdma: the owner allows %d messages after %d", fabric.ErrCorrupt, p.allowed, p.messages)
		}
	}
	p.push()
	p.mu.Unlock()
	if messages > 0 {
		p.own.Signal()
	}
	return err
}

// HearResume implements tcp.Carried.
func (p *producer) HearResume(note []byte) (first bool) {
	first = p.mirror.consumer().PutResume(uint64(p.Generation()), note)
	p.own.Signal()
	return first
}

// HearStable implements tcp.Carried.
func (p *producer) HearStable(note []byte) {
	p.mirror.consumer().PutStable(uint64(p.Generation()), note)
	p.own.Signal()
}

// HearWant implements tcp.Carried.
func (p *producer) HearWant() {
	p.mirror.consumer().PutWant()
	p.own.Signal()
}

// Lose implements tcp.Carried. That the owner's way has broken is told with what this end's adapter has said, if it has.
func (p *producer) Lose(why error) {
	p.mu.Lock()
	p.broken = true
	if p.failure != nil && errors.Is(why, fabric.ErrDisconnected) && !errors.Is(why, p.failure) {
		why = fmt.Errorf("%w: %w", p.failure, why)
	}
	p.mu.Unlock()
	ring.LoseProducer(p.ring, why)
}

// Activate implements fabric.Producer.
func (p *producer) Activate() error {
	if err := p.ringSide.Activate(); err != nil {
		return err
	}
	return p.line.Activate()
}

// Close implements fabric.Producer. Like that of a producer over TCP it blocks until the owner has confirmed that it has what was flushed.
func (p *producer) Close() error {
	p.closing.Do(func() {
		p.closeErr = p.ringSide.Close()
		if err := p.line.Depart(p.mirror.producer().Tail.Load()); err != nil {
			p.closeErr = err
		}
		p.stop()
		p.mirror.leave()
	})
	return p.closeErr
}

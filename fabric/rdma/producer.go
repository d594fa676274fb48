package rdma

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/ring"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
	"github.com/grafnode/grafnode/fabric/tcp"
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
	proved   chan struct{} // closed when a write has been answered
	isProved bool          // likewise; of the goroutine that takes completions
	failure  error         // why there will be none; set before queue.done is closed
	line     tcp.Line
	there    answer
	key      uint32 // of the mirror's data
	capacity uint64

	wanted   uint64 // of the last claim that has found no room; of the goroutine that is in the calls
	closing  sync.Once
	closeErr error

	// Guarded by queue.mu.
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

// Offer implements tcp.Direct.
func (f *Fabric) Offer(edge string) (tcp.Outgoing, string, error) {
	if f.config.Choice.For(edge) == TCP {
		return nil, "", nil
	}
	pair, err := f.newPair(remoteReceives)
	if err != nil {
		return nil, "", err
	}
	p := &producer{own: ring.NewChanEvent()}
	p.queue = queue{f: f, pair: pair, window: window{size: writesMax}}
	return p.outgoing(), encode(offer{Version: version, Pair: pair.Local()}), nil
}

// outgoing is a producer before it is one.
type outgoing producer

func (p *producer) outgoing() *outgoing { return (*outgoing)(p) }

// Close implements tcp.Outgoing.
func (o *outgoing) Close() {
	o.stop()
	if o.mirror != nil {
		o.mirror.leave()
		o.mirror.leave()
	}
}

// Connect implements tcp.Outgoing.
func (o *outgoing) Connect(c fabric.Config, text string, line tcp.Line) (tcp.Carried, string, error) {
	p := (*producer)(o)
	if err := decode(text, &p.there); err != nil {
		return nil, "", err
	}
	if err := errors.Join(holds(p.there.Ring, c.Capacity), holds(p.there.Words, slotsBytes)); err != nil {
		return nil, "", err
	}
	m, err := newMirror(c.Capacity)
	if err != nil {
		return nil, "", err
	}
	p.mirror = m // Close unmaps it, after the pair is closed
	if err := p.connectMirror(c.Capacity); err != nil {
		return nil, "", err
	}
	p.line, p.capacity = line, uint64(c.Capacity)
	p.allowed, p.receives = ownerReceives, remoteReceives
	p.toldReceives = p.receives
	m.consumer().Carried()
	p.ring = ring.NewProducer(ring.Setup{
		Config: c, Control: m.control(), Own: p.own, Peer: (*bell)(p), Release: m.leave, Short: p.isShort,
	}, m.producer(), m.data())
	ring.BindProducer(p.ring, m.consumer())
	p.ringSide = p.ring
	p.done, p.proved = make(chan struct{}), make(chan struct{})
	go p.listen()
	if err := p.prove(); err != nil {
		return nil, "", err
	}
	return p, ready, nil
}

// proofMax bounds the wait for the answer to the first message, which the adapter's retries do as well.
const proofMax = 5 * time.Second

// prove sends a message that says nothing, and waits until the other end's adapter has answered it. Connecting does not: pairs are connected
// each for itself, and whether packets find their way shows with the first of them.
func (p *producer) prove() error {
	p.mu.Lock()
	err := p.send(0)
	p.mu.Unlock()
	if err != nil {
		return err
	}
	late := time.NewTimer(proofMax)
	defer late.Stop()
	select {
	case <-p.proved:
		return nil
	case <-p.done:
		return fmt.Errorf("rdma: the other end's adapter is not reached: %w", p.failure)
	case <-late.C:
		return fmt.Errorf("rdma: the other end's adapter is not reached: no word from this one for %v", proofMax)
	}
}

// connectMirror registers the mirror and connects. What it has done ends with the pair.
func (p *producer) connectMirror(capacity int) error {
	data, err := p.pair.Register(p.mirror.data()[:capacity:capacity], 0)
	if err != nil {
		return fmt.Errorf("rdma: register the mirror of %d bytes: %w", capacity, err)
	}
	p.key = data.LocalKey()
	return p.connect(p.there.Pair, remoteReceives)
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
	case p.broken, p.messages == p.allowed, p.window.free() < messageWrites:
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
	ws := p.stretches(tail)
	binary.NativeEndian.PutUint64(p.words[0:], p.mirror.producer().Count.Load())
	binary.NativeEndian.PutUint64(p.words[8:], p.short)
	binary.NativeEndian.PutUint64(p.words[16:], p.receives)
	slot := p.there.Words.At + p.messages%ownerReceives*wordsBytes
	ws = append(ws, verbs.Write{
		Local: p.words[:], To: slot, RKey: p.there.Words.Key, Inline: true, WithImm: true, Imm: uint32(tail >> 3),
	})
	records := tail - p.sent
	p.sent, p.toldShort, p.toldReceives = tail, p.short, p.receives
	p.messages++
	return p.post(ws, records)
}

// stretches puts what lies between sent and tail into batch: two pieces at most, because the ring's end may lie between.
func (p *producer) stretches(tail uint64) []verbs.Write {
	ws := p.batch[:0]
	for at := p.sent; at < tail; {
		from := at & (p.capacity - 1)
		n := min(tail-at, p.capacity-from)
		ws = append(ws, verbs.Write{
			Local: p.mirror.data()[from : from+n : from+n], Key: p.key, To: p.there.Ring.At + from, RKey: p.there.Ring.Key,
		})
		at += n
	}
	return ws
}

// listen takes completions.
func (p *producer) listen() {
	defer close(p.done)
	err := p.run(p.took)
	switch {
	case err == nil:
	case p.isProved:
		p.line.Fail(err)
	default:
		p.failure = err
	}
}

func (p *producer) took(messages int) error {
	if !p.isProved {
		p.isProved = true // what completes first is the first message
		close(p.proved)
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

// Lose implements tcp.Carried.
func (p *producer) Lose(why error) {
	p.mu.Lock()
	p.broken = true
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

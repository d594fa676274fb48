package rdma

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/fabric/rdma/verbs"
	"github.com/grafnode/grafnode/fabric/tcp"
)

// incoming is the owner's end of a way. The remote producer's adapter writes the ring's memory; this end hears of it, and tells how far the
// consumer has come.
type incoming struct {
	queue
	page    *page
	regions [2]verbs.Region
	there   verbs.Remote // the consumer's cursor in the mirror
	to      tcp.Landing
	landed  uint64 // cursor, of the goroutine that takes completions

	starting sync.Mutex // guards closed, and Start beside Close
	closed   bool

	// Guarded by queue.mu.
	acked       uint64
	toldAcked   uint64
	wake        bool   // what is told next is to be heard
	messages    uint64 // that can be heard, ever posted
	receives    uint64 // ever posted at the other end
	allowed     uint64 // receives ever posted here
	toldAllowed uint64
	words       [creditBytes]byte
}

// Accept implements tcp.Direct.
func (f *Fabric) Accept(edge, text string, memory []byte) (tcp.Incoming, string, error) {
	var o offer
	if f.config.Choice.For(edge) == TCP {
		return nil, "", nil
	}
	if err := decode(text, &o); err != nil {
		return nil, "", err
	}
	if err := o.validate(); err != nil {
		return nil, "", err
	}
	pair, err := f.newPair(ownerReceives)
	if err != nil {
		return nil, "", err
	}
	i := &incoming{receives: remoteReceives, allowed: ownerReceives, toldAllowed: ownerReceives}
	i.queue = queue{f: f, pair: pair, window: window{size: writesMax}}
	said, err := i.prepare(o, memory)
	if err != nil {
		i.Close()
		return nil, "", err
	}
	return i, encode(said), nil
}

// prepare registers the ring and connects. What it has done, Close undoes.
func (i *incoming) prepare(o offer, memory []byte) (said answer, err error) {
	if i.page, err = newPage(); err != nil {
		return answer{}, err
	}
	for n, b := range [][]byte{memory, i.page.memory[:wordsBytes]} {
		if i.regions[n], err = i.pair.Register(b, verbs.RemoteWrite); err != nil {
			return answer{}, fmt.Errorf("rdma: register %d bytes: %w", len(b), err)
		}
	}
	if err := i.connect(o.Pair, ownerReceives); err != nil {
		return answer{}, err
	}
	return answer{Pair: i.pair.Local(), Ring: i.regions[0].Remote(), Words: i.regions[1].Remote()}, nil
}

// Start implements tcp.Incoming.
func (i *incoming) Start(text string, to tcp.Landing) error {
	var r ready
	if err := decode(text, &r); err != nil {
		return err
	}
	if err := holds(r.Credit, creditBytes); err != nil {
		return err
	}
	i.starting.Lock()
	defer i.starting.Unlock()
	if i.closed {
		return nil // whoever has closed it says why
	}
	i.there, i.to = r.Credit, to
	i.done = make(chan struct{})
	go i.listen()
	return nil
}

// listen takes completions.
func (i *incoming) listen() {
	defer close(i.done)
	if err := i.run(i.took); err != nil {
		i.to.Broken(err)
	}
}

var errLanding = errors.New("rdma: the ring takes no more")

func (i *incoming) took(messages int) error {
	posted, err := i.receive(grantEach)
	if err != nil {
		return err
	}
	words := i.page.words()
	i.mu.Lock()
	i.allowed += uint64(posted)
	if messages > 0 {
		i.receives = words.receives.Load()
	}
	i.mu.Unlock()
	if messages > 0 {
		i.landed += uint64(i.last-uint32(i.landed>>3)) << 3
		if i.to.Landed(i.landed, words.records.Load(), words.short.Load()) != nil {
			return errLanding
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.tell() // what Credit had no room for
}

// Credit implements tcp.Incoming.
func (i *incoming) Credit(acked uint64, wake bool) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.acked = acked
	i.wake = i.wake || wake
	return i.tell()
}

// tell posts what is new, if there is room. The caller has mu.
func (i *incoming) tell() error {
	heard := i.wake || i.allowed-i.toldAllowed >= grantEach
	if i.messages >= i.receives {
		heard = false // later, when the other end has said that it has posted more: it hears of something until then
	}
	if i.broken || i.window.free() == 0 || !heard && i.acked == i.toldAcked {
		return nil
	}
	binary.NativeEndian.PutUint64(i.words[:], i.acked)
	i.batch[0] = verbs.Write{
		Local: i.words[:], To: i.there.At, RKey: i.there.Key, Inline: true, WithImm: heard, Imm: uint32(i.allowed),
	}
	i.toldAcked = i.acked
	if heard {
		i.toldAllowed, i.wake = i.allowed, false
		i.messages++
	}
	return i.post(i.batch[:1], 0)
}

// Close implements tcp.Incoming.
func (i *incoming) Close() {
	i.starting.Lock()
	defer i.starting.Unlock()
	if i.closed {
		return
	}
	i.closed = true
	i.stop(i.regions[:]...)
	if i.page != nil {
		i.page.unmap()
	}
}

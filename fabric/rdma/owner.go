package rdma

import (
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
	to      tcp.Landing
	landed  uint64 // cursor, of the goroutine that takes completions

	starting sync.Mutex // guards closed, and Start beside Close
	closed   bool

	// Guarded by queue.mu.
	acked      uint64
	toldAcked  uint64
	messages   uint64 // ever posted
	receives   uint64 // ever posted at the other end
	allowed    uint64 // receives ever posted here
	toldGrants uint64
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
	i := &incoming{receives: remoteReceives, allowed: ownerReceives}
	if err := f.open(&i.queue, ownerReceives); err != nil {
		return nil, "", err
	}
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
	for n, b := range [][]byte{memory, i.page.memory[:slotsBytes]} {
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
	if text != ready {
		return fmt.Errorf("rdma: the other end's last word is %q, want %q", text, ready)
	}
	i.starting.Lock()
	defer i.starting.Unlock()
	if i.closed {
		return nil // whoever has closed it says why
	}
	i.to = to
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
	words := &i.page.words()[(i.taken-1)%ownerReceives]
	records, short, receives := words.records.Load(), words.short.Load(), words.receives.Load()
	i.mu.Lock()
	i.allowed += uint64(posted) // from now on it may be told, and the words be written again
	if messages > 0 {
		i.receives = receives
	}
	i.mu.Unlock()
	if messages > 0 {
		i.landed = extend(i.landed>>3, i.last, 32) << 3
		if i.to.Landed(i.landed, records, short) != nil {
			return errLanding
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.tell() // what Credit had no room for
}

// Credit implements tcp.Incoming.
func (i *incoming) Credit(acked uint64) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.acked = acked
	return i.tell()
}

// tell posts what is new, if there is room; else the next message of the other end's has it looked at again. The last receive there is kept for a grant: who
// has no grant left cannot say that it has posted more. The caller has mu.
func (i *incoming) tell() error {
	grants := (i.allowed - ownerReceives) / grantEach
	granted := grants != i.toldGrants
	switch {
	case i.broken, i.window.free() == 0, !granted && i.acked == i.toldAcked:
		return nil
	case i.messages >= i.receives, i.messages+1 == i.receives && !granted:
		return nil
	}
	i.toldAcked, i.toldGrants = i.acked, grants
	i.messages++
	i.batch = append(i.batch[:0], verbs.Write{Inline: true, WithImm: true, Imm: saying(i.acked, grants)})
	return i.post(i.batch, 0)
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

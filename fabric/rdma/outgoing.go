package rdma

import (
	"context"
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/ring"
	"github.com/grafnode/grafnode/fabric/internal/step"
	"github.com/grafnode/grafnode/fabric/tcp"
)

// Offer implements tcp.Direct.
func (f *Fabric) Offer(edge string) (tcp.Outgoing, string, error) {
	if f.config.Choice.For(edge) == TCP {
		return nil, "", nil
	}
	p := &producer{own: ring.NewChanEvent(), proof: make(chan error, 1)}
	if err := f.open(&p.queue, remoteReceives); err != nil {
		return nil, "", err
	}
	step.At("attach/offered")
	return (*outgoing)(p), encode(offer{Version: version, Pair: p.pair.Local()}), nil
}

// outgoing is a producer before it is one.
type outgoing producer

// Close implements tcp.Outgoing.
func (o *outgoing) Close() {
	o.stop()
	if o.mirror != nil {
		o.mirror.leave()
		o.mirror.leave()
	}
}

// Connect implements tcp.Outgoing.
func (o *outgoing) Connect(ctx context.Context, c fabric.Config, text string, line tcp.Line) (tcp.Carried, string, error) {
	p := (*producer)(o)
	if err := decode(text, &p.there); err != nil {
		return nil, "", err
	}
	if err := errors.Join(holds(p.there.Ring, c.Capacity), holds(p.there.Words, slotsBytes)); err != nil {
		return nil, "", err
	}
	p.line = line
	if err := p.prepare(c); err != nil {
		return nil, "", err
	}
	step.At("attach/connected")
	p.done = make(chan struct{})
	go p.listen()
	if err := p.prove(ctx); err != nil {
		return nil, "", err
	}
	step.At("attach/proved")
	return p, ready, nil
}

// prepare makes the mirror, registers it and connects. What it has done, Close undoes.
func (p *producer) prepare(c fabric.Config) error {
	p.capacity, p.writeMax = uint64(c.Capacity), p.on.port.WriteMax
	if p.most = messageWrites(p.capacity, p.writeMax); p.most > messageMax {
		return fmt.Errorf("%w: rdma: %d bytes of a ring may take %d writes of at most %d bytes, and may take %d",
			fabric.ErrUnsupported, c.Capacity, p.most, p.writeMax, messageMax)
	}
	m, err := newMirror(c.Capacity)
	if err != nil {
		return err
	}
	p.mirror = m
	data, err := p.pair.Register(m.data()[:c.Capacity:c.Capacity], 0)
	if err != nil {
		return fmt.Errorf("rdma: register the mirror of %d bytes: %w", c.Capacity, err)
	}
	p.key = data.LocalKey()
	p.allowed, p.receives, p.toldReceives = ownerReceives, remoteReceives, remoteReceives
	m.consumer().Carried()
	p.ring = ring.NewProducer(ring.Setup{
		Config: c, Control: m.control(), Own: p.own, Peer: (*bell)(p), Release: m.leave, Short: p.isShort,
	}, m.producer(), m.data())
	ring.BindProducer(p.ring, m.consumer())
	p.ringSide = p.ring
	return p.connect(p.there.Pair, remoteReceives)
}

// prove sends a message that says nothing, and waits until the other end's adapter has answered it. Connecting does not: pairs are connected
// each for itself, and whether packets find their way shows with the first of them, or when the adapter's retries are used up.
func (p *producer) prove(ctx context.Context) error {
	p.mu.Lock()
	err := p.send(0)
	p.mu.Unlock()
	if err != nil {
		return err
	}
	return p.await(ctx)
}

// await waits for the answer to the first message.
func (p *producer) await(ctx context.Context) (err error) {
	select {
	case err = <-p.proof:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err == nil {
		return nil
	}
	return &unreachedError{at: address(p.there.Pair.GID), why: err}
}

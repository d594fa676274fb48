package shm

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/ring"
	"github.com/grafnode/grafnode/lease"
)

// Arena is a ring as its node holds it. It implements fabric.Arena.
type Arena struct {
	config fabric.Config
	header header

	mu     sync.Mutex // of all below
	parts  Parts      // without the events; Node for writing
	maps   struct{ node, producer, consumer mapping }
	bells  struct{ producer, consumer bell }
	owner  ring.Owner
	sides  map[fabric.Role]*attachment
	over   chan struct{} // closed once the ring is known to be sealed
	closed bool
	last   fabric.Usage // when closed
}

// attachment is how far a side has come.
type attachment struct {
	taken  bool
	mapped chan struct{}        // closed once its part is mapped and sealed
	bind   func(*os.File) error // of a side in this process that waits for its peer, else nil
}

func (at *attachment) isMapped() bool {
	select {
	case <-at.mapped:
		return true
	default:
		return false
	}
}

// New allocates a ring's memory: c.Capacity bytes and a few pages. All of it is there when New returns; nothing is
// overcommitted.
func New(c fabric.Config) (*Arena, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if len(c.Arena) > nameMax || len(c.Edge) > nameMax {
		return nil, fmt.Errorf("shm: names of arena %q and edge %q: at most %d bytes each", c.Arena, c.Edge, nameMax)
	}
	var p Parts
	for _, part := range []struct {
		file **os.File
		make func() (*os.File, error)
	}{
		{&p.Node, func() (*os.File, error) { return newPart("grafnode-node", nodeBytes()) }},
		{&p.Producer, func() (*os.File, error) { return newPart("grafnode-producer", producerBytes(c.Capacity)) }},
		{&p.Consumer, func() (*os.File, error) { return newPart("grafnode-consumer", consumerBytes()) }},
		{&p.WakeProducer, func() (*os.File, error) { return newEvent("grafnode-wake-producer") }},
		{&p.WakeConsumer, func() (*os.File, error) { return newEvent("grafnode-wake-consumer") }},
	} {
		f, err := part.make()
		if err != nil {
			p.Close()
			return nil, err
		}
		*part.file = f
	}
	if err := writeNode(p, c); err != nil {
		p.Close()
		return nil, err
	}
	return newArena(c, p)
}

// writeNode fills the node's part, the header last, and ends further sealing.
func writeNode(p Parts, c fabric.Config) (err error) {
	h := header{config: c}
	if h.producer, err = checkPart(p.Producer, producerBytes(c.Capacity), sizeSeals); err != nil {
		return err
	}
	if h.consumer, err = checkPart(p.Consumer, consumerBytes(), sizeSeals); err != nil {
		return err
	}
	m, err := mapBytes(p.Node, nodeBytes(), readWrite)
	if err != nil {
		return err
	}
	defer m.unmap()
	m.control().Deadline.Store(int64(c.Deadline))
	copy(m.header(), h.encode())
	return addSeals(p.Node, nodeSeals)
}

// newArena returns the node's hold on an arena whose parts exist. It owns p, also when it fails.
func newArena(c fabric.Config, p Parts) (*Arena, error) {
	defer closeAll([]*os.File{p.WakeProducer, p.WakeConsumer}) // the bells have descriptors of their own
	a := &Arena{config: c, parts: Parts{Node: p.Node, Producer: p.Producer, Consumer: p.Consumer}, over: make(chan struct{}), sides: map[fabric.Role]*attachment{
		fabric.RoleProducer: {mapped: make(chan struct{})},
		fabric.RoleConsumer: {mapped: make(chan struct{})},
	}}
	a.bells.producer, a.bells.consumer = noBell, noBell
	if err := a.open(p); err != nil {
		a.release()
		return nil, err
	}
	a.owner = ring.Owner{
		Control:  a.maps.node.control(),
		Producer: a.maps.producer.producer(),
		Consumer: a.maps.consumer.consumer(),
		Signal: func() {
			ringFutex(&a.owner.Control.Bell)
			a.bells.producer.signal()
			a.bells.consumer.signal()
		},
	}
	return a, nil
}

// open maps what the node needs: its own part for writing, the words of the others.
func (a *Arena) open(p Parts) (err error) {
	if a.header, a.maps.node, err = openNode(p.Node, a.config, readWrite); err != nil {
		return err
	}
	if a.maps.producer, err = mapBytes(p.Producer, os.Getpagesize(), readOnly); err != nil {
		return err
	}
	if a.maps.consumer, err = mapBytes(p.Consumer, consumerBytes(), readOnly); err != nil {
		return err
	}
	if a.bells.producer, err = newBell(p.WakeProducer); err != nil {
		return err
	}
	a.bells.consumer, err = newBell(p.WakeConsumer)
	return err
}

// Config returns what the arena was made for.
func (a *Arena) Config() fabric.Config { return a.config }

// SetDeadline is fabric's SetDeadline. It does nothing once the arena is closed.
func (a *Arena) SetDeadline(d lease.Instant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.owner.SetDeadline(d)
	}
}

// Seal is fabric's Seal. It wakes both sides, wherever they are.
func (a *Arena) Seal(reason error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sealLocked(reason)
}

func (a *Arena) sealLocked(reason error) {
	if a.closed {
		return
	}
	a.owner.Seal(reason)
	select {
	case <-a.over:
	default:
		close(a.over)
	}
}

// Usage is fabric's Usage. After Close it stays what it was then.
func (a *Arena) Usage() fabric.Usage {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.last = a.owner.Usage(a.config.Capacity)
	}
	return a.last
}

// Close is fabric's Close. The memory is free once no side maps it any more.
func (a *Arena) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	a.sealLocked(fabric.ErrSealed)
	a.closeLocked()
	return nil
}

// Abandon is Close without the seal: to sides in other processes it is as if the node's process had died. They go on until
// the deadline, and the node's next process can Adopt the ring. Idempotent.
func (a *Arena) Abandon() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.closeLocked()
	}
}

func (a *Arena) closeLocked() {
	a.last = a.owner.Usage(a.config.Capacity)
	a.closed = true
	a.release()
}

func (a *Arena) release() {
	a.maps.node.unmap()
	a.maps.producer.unmap()
	a.maps.consumer.unmap()
	a.bells.producer.close()
	a.bells.consumer.close()
	a.parts.Close()
}

// describe adds the ring's name to an error.
func (a *Arena) describe(role fabric.Role, err error) error {
	return fmt.Errorf("edge %s, generation %d, %s: %w", a.config.Edge, a.config.Generation, role, err)
}

var _ fabric.Arena = (*Arena)(nil)

// WaitMapped blocks until the side's holder has mapped and sealed its part (Mapped was called), the ring is sealed, or ctx
// ends; it returns nil, the reason of the seal, or ctx's cause.
func (a *Arena) WaitMapped(ctx context.Context, role fabric.Role) error {
	if err := checkRole(role); err != nil {
		return err
	}
	select {
	case <-a.sides[role].mapped:
		return nil
	default:
	}
	select {
	case <-a.sides[role].mapped:
		return nil
	case <-a.over:
		return a.describe(role, a.reason())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// reason returns why the ring is over, nil if it is not.
func (a *Arena) reason() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reasonLocked()
}

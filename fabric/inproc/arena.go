package inproc

import (
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/ring"
	"github.com/grafnode/grafnode/lease"
)

// Arena implements fabric.Arena.
type Arena struct {
	config   fabric.Config
	control  ring.Control
	producer ring.ProducerWords
	consumer ring.ConsumerWords
	data     []byte

	wakeProducer, wakeConsumer ring.ChanEvent

	mu            sync.Mutex // of all below
	owner         ring.Owner
	producerTaken bool
	consumerTaken bool
}

// New returns a ring with c.Capacity bytes of data and a quarter more, so that the largest record is contiguous wherever it
// begins. It is garbage once the arena and both sides are.
func New(c fabric.Config) (*Arena, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	a := &Arena{config: c, data: make([]byte, ring.DataBytes(c.Capacity)), wakeProducer: ring.NewChanEvent(), wakeConsumer: ring.NewChanEvent()}
	a.control.Deadline.Store(int64(c.Deadline))
	a.owner = ring.Owner{Control: &a.control, Producer: &a.producer, Consumer: &a.consumer, Signal: a.signal}
	return a, nil
}

func (a *Arena) signal() {
	a.wakeProducer.Signal()
	a.wakeConsumer.Signal()
}

// Config returns what the arena was made for.
func (a *Arena) Config() fabric.Config { return a.config }

// Producer is fabric's Producer.
func (a *Arena) Producer() (fabric.Producer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.producerTaken {
		return nil, errTaken(a.config, fabric.RoleProducer)
	}
	a.producerTaken = true
	p := ring.NewProducer(ring.Setup{Config: a.config, Control: &a.control, Own: a.wakeProducer, Peer: a.wakeConsumer},
		&a.producer, a.data)
	ring.BindProducer(p, &a.consumer)
	return p, nil
}

// Consumer is fabric's Consumer.
func (a *Arena) Consumer() (fabric.Consumer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.consumerTaken {
		return nil, errTaken(a.config, fabric.RoleConsumer)
	}
	a.consumerTaken = true
	c := ring.NewConsumer(ring.Setup{Config: a.config, Control: &a.control, Own: a.wakeConsumer, Peer: a.wakeProducer},
		&a.consumer)
	ring.BindConsumer(c, &a.producer, a.data)
	return c, nil
}

func errTaken(c fabric.Config, role fabric.Role) error {
	return fmt.Errorf("edge %s, generation %d, %s: %w", c.Edge, c.Generation, role, fabric.ErrTaken)
}

// SetDeadline is fabric's SetDeadline.
func (a *Arena) SetDeadline(d lease.Instant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.owner.SetDeadline(d)
}

// Seal is fabric's Seal.
func (a *Arena) Seal(reason error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.owner.Seal(reason)
}

// Usage is fabric's Usage.
func (a *Arena) Usage() fabric.Usage { return a.owner.Usage(a.config.Capacity) }

// Close seals the ring. The memory goes when the sides let go of it.
func (a *Arena) Close() error {
	a.Seal(fabric.ErrSealed)
	return nil
}

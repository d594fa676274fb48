package verbsfake

import (
	"errors"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// Ports implements verbs.Provider.
func (h *Host) Ports() ([]verbs.Port, error) {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	return []verbs.Port{h.port}, nil
}

// SetWriteMax has the port take no writes of more than so many bytes. Who has opened it before does not know.
func (h *Host) SetWriteMax(n uint64) {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	h.port.WriteMax = n
}

// Open implements verbs.Provider.
func (h *Host) Open(p verbs.Port) (verbs.Device, error) {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	if p != h.port {
		return nil, fmt.Errorf("verbsfake: no port %v: %w", p, fabric.ErrUnsupported)
	}
	d := &device{Host: h, port: p, events: make(chan verbs.Event), closed: make(chan struct{})}
	h.open[d] = true
	return d, nil
}

// Say has the adapter say something of itself, to all who have opened it. It blocks until they have heard.
func (h *Host) Say(e verbs.Event) {
	h.network.mu.Lock()
	var all []*device
	for d := range h.open {
		all = append(all, d)
	}
	h.network.mu.Unlock()
	for _, d := range all {
		select {
		case d.events <- e:
		case <-d.closed:
		}
	}
}

// device is an open adapter. It implements verbs.Device.
type device struct {
	*Host
	port   verbs.Port
	events chan verbs.Event
	once   sync.Once
	closed chan struct{}
}

// Port implements verbs.Device.
func (d *device) Port() verbs.Port { return d.port }

// Limits implements verbs.Device.
func (d *device) Limits() verbs.Limits {
	return verbs.Limits{Writes: 1 << 10, Receives: 1 << 10}
}

var (
	errOpen   = errors.New("verbsfake: a pair is open")
	errClosed = errors.New("verbsfake: the device is closed")
)

// Event implements verbs.Device.
func (d *device) Event() (verbs.Event, error) {
	select {
	case e := <-d.events:
		return e, nil
	case <-d.closed:
		return verbs.Event{}, errClosed
	}
}

// NewPair implements verbs.Device.
func (d *device) NewPair(r verbs.Room) (verbs.Pair, error) { return d.newPair(r, d), nil }

// Close implements verbs.Device.
func (d *device) Close() error {
	for _, p := range d.Pairs() {
		if p.device == d {
			return errOpen
		}
	}
	d.once.Do(func() {
		close(d.closed)
		d.network.mu.Lock()
		defer d.network.mu.Unlock()
		delete(d.open, d)
	})
	return nil
}

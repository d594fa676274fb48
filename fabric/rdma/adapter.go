package rdma

import (
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// adapter is an open port of a Fabric's, and what hangs on it. What is not constant is guarded by the Fabric's mu.
type adapter struct {
	f       *Fabric
	port    verbs.Port
	device  verbs.Device
	watched chan struct{}     // closed when watch has ended
	queues  map[uint32]*queue // open, by the numbers of their pairs
	lost    error             // why it is of no use any more
	ended   bool              // the device is closed, or about to be
}

func (f *Fabric) openPort(port verbs.Port) (*adapter, error) {
	if port.WriteMax == 0 {
		return nil, fmt.Errorf("rdma: port %d of %s takes no writes: %w", port.Number, port.Device, fabric.ErrUnsupported)
	}
	device, err := f.config.Provider.Open(port)
	if err != nil {
		return nil, fmt.Errorf("rdma: open %s, port %d: %w", port.Device, port.Number, err)
	}
	if l := device.Limits(); l.Writes < writesMax || l.Receives < ownerReceives {
		return nil, errors.Join(fmt.Errorf("rdma: %s takes %d writes and %d receives at once, want %d and %d: %w",
			port.Device, l.Writes, l.Receives, writesMax, ownerReceives, fabric.ErrUnsupported), device.Close())
	}
	a := &adapter{f: f, port: port, device: device, watched: make(chan struct{}), queues: map[uint32]*queue{}}
	go a.watch()
	return a, nil
}

// usable returns why the adapter is of no use. One that is lost is opened again first, unless that was tried lately.
func (f *Fabric) usable() error {
	f.mu.Lock()
	old := f.adapter
	if why := f.revive(); why != nil || f.adapter == old {
		f.mu.Unlock()
		return why
	}
	f.mu.Unlock()
	if err := f.end(old); err != nil {
		f.config.Logger.Error("an RDMA adapter that is lost cannot be closed", "device", old.port.Device, "error", err)
	}
	return nil
}

// revive puts another in the place of an adapter that is lost. The caller has mu.
func (f *Fabric) revive() error {
	lost := f.adapter.lost
	switch {
	case f.closed:
		return fabric.ErrClosed
	case lost == nil:
		return nil
	case time.Since(f.tried) < retryAfter:
		return lost
	}
	f.tried = time.Now()
	port, err := portIn(f.config.Provider, f.Network())
	if err == nil {
		var next *adapter
		if next, err = f.openPort(port); err == nil {
			f.adapter, f.told = next, false
			f.config.Logger.Info("an RDMA adapter that was lost is there again", "device", port.Device)
			return nil
		}
	}
	if !f.told {
		f.told = true
		f.config.Logger.Warn("an RDMA adapter that was lost cannot be opened again yet", "device", f.adapter.port.Device, "reason", err)
	}
	return lost
}

// end gives an adapter back that nothing hangs on, if there is another in its place, or none is wanted any more.
func (f *Fabric) end(a *adapter) error {
	f.mu.Lock()
	if a.ended || len(a.queues) > 0 || a == f.adapter && !f.closed {
		f.mu.Unlock()
		return nil
	}
	a.ended = true
	f.mu.Unlock() // what watch hears may want it
	err := a.device.Close()
	<-a.watched
	return err
}

//go:build rdma && linux && cgo

package ibverbs

/*
#cgo noescape shim_event
#cgo nocallback shim_event
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// device is an open adapter.
type device struct {
	port   verbs.Port
	lid    uint16
	limits verbs.Limits

	events *bell

	mu sync.Mutex
	c  *C.struct_shim_device // nil: closed
}

// Open opens the adapter of a port.
func (provider) Open(p verbs.Port) (verbs.Device, error) {
	if err := load(); err != nil {
		return nil, err
	}
	c, err := open(p.Device)
	if err != nil {
		return nil, err
	}
	d := &device{port: p, c: c}
	shown, limits, err := query(c, p.Device, p.Number)
	if err == nil {
		d.events, err = newBell(int(C.shim_device_descriptor(c)))
	}
	if err != nil {
		return nil, errors.Join(err, check("close "+p.Device, C.shim_close(c)))
	}
	d.lid, d.limits = uint16(shown.lid), verbs.Limits{Writes: int(limits.requests), Receives: int(limits.requests)}
	return d, nil
}

func (d *device) Port() verbs.Port     { return d.port }
func (d *device) Limits() verbs.Limits { return d.limits }

func (d *device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.c
	if d.c = nil; c == nil {
		return nil
	}
	return errors.Join(d.events.close(), check("close "+d.port.Device, C.shim_close(c)))
}

// kinds translates the shim's.
var kinds = [...]verbs.EventKind{C.SHIM_PORT_UP: verbs.PortUp, C.SHIM_PORT_DOWN: verbs.PortDown, C.SHIM_PORT_CHANGED: verbs.PortChanged,
	C.SHIM_PAIR_BROKEN: verbs.PairBroken, C.SHIM_DEVICE_LOST: verbs.DeviceLost}

func (d *device) Event() (verbs.Event, error) {
	d.mu.Lock()
	c := d.c
	d.mu.Unlock()
	if c == nil {
		return verbs.Event{}, errClosed
	}
	var e C.struct_shim_event
	var code C.int
	take := func() { code = C.shim_event(c, &e) } // Close waits until it has returned
	for {
		code = C.int(unix.EAGAIN)
		if err := d.events.wait(take); err != nil {
			return verbs.Event{}, fmt.Errorf("fabric/rdma: wait for what %s says: %w", d.port.Device, err)
		}
		switch {
		case code == C.int(unix.EAGAIN), code == 0 && e.kind == C.SHIM_NOTHING:
		case code == 0:
			return verbs.Event{Kind: kinds[e.kind], Number: uint32(e.number), What: C.GoString(e.what)}, nil
		default:
			return verbs.Event{}, check("hear "+d.port.Device, code)
		}
	}
}

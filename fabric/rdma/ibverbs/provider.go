//go:build rdma && linux && cgo

package ibverbs

/*
#cgo CFLAGS: -O2 -Wall -Wextra
#cgo LDFLAGS: -ldl
#cgo noescape shim_query
#cgo nocallback shim_query
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"unsafe"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
	"github.com/grafnode/grafnode/internal/adapter"
)

// Built says whether this binary can speak to adapters.
const Built = true

type provider struct{}

// New returns the adapters of this host.
func New() verbs.Provider { return provider{} }

// load loads the library.
func load() error {
	if problem := C.shim_load(); problem != nil {
		return fmt.Errorf("%w: %s", fabric.ErrUnsupported, C.GoString(problem))
	}
	return nil
}

// Ports looks at what the kernel shows, and asks each adapter that can be used for what the kernel does not show.
func (provider) Ports() ([]verbs.Port, error) {
	if err := load(); err != nil {
		return nil, err
	}
	var all []verbs.Port
	var errs []error
	for _, a := range adapter.Probe(adapter.Here("/")).Adapters {
		if !a.Usable() {
			continue
		}
		found, err := portsOf(a)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, found...)
	}
	if len(all) > 0 { // one that fails does not keep the others from being used
		return all, nil
	}
	return nil, errors.Join(errs...)
}

func portsOf(a adapter.Adapter) (all []verbs.Port, err error) {
	c, err := open(a.Name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, check("close "+a.Name, C.shim_close(c))) }()
	for _, p := range a.Ports {
		shown, _, err := query(c, a.Name, uint8(p.Number))
		if err != nil {
			return nil, err
		}
		for _, g := range p.Reach() {
			all = append(all, verbs.Port{Device: a.Name, Number: uint8(p.Number), GIDAt: g.Index, GID: g.Address.As16(), MTU: int(shown.mtu), Net: p.Interface})
		}
	}
	return all, nil
}

// open opens an adapter by its name.
func open(name string) (c *C.struct_shim_device, err error) {
	named := C.CString(name)
	defer C.free(unsafe.Pointer(named))
	return c, check("open "+name, C.shim_open(named, &c))
}

func query(c *C.struct_shim_device, name string, port uint8) (p C.struct_shim_port, l C.struct_shim_limits, err error) {
	return p, l, check("query "+name, C.shim_query(c, C.uint8_t(port), &p, &l))
}

// check makes an error of what the shim returns.
func check(what string, code C.int) error {
	if code == 0 {
		return nil
	}
	return fmt.Errorf("fabric/rdma: %s: %w", what, syscall.Errno(code))
}

// device is an open adapter.
type device struct {
	port   verbs.Port
	lid    uint16
	limits verbs.Limits

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
	shown, limits, err := query(c, p.Device, p.Number)
	if err != nil {
		return nil, errors.Join(err, check("close "+p.Device, C.shim_close(c)))
	}
	return &device{port: p, lid: uint16(shown.lid), c: c, limits: verbs.Limits{
		Writes: int(limits.requests), Receives: int(limits.requests), RegionMax: uint64(limits.region)}}, nil
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
	return check("close "+d.port.Device, C.shim_close(c))
}

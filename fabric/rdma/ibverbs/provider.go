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
	"cmp"
	"errors"
	"fmt"
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

// writeMax is the standard's, for a driver that says nothing.
const writeMax = 1 << 31

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
			all = append(all, verbs.Port{Device: a.Name, Number: uint8(p.Number), GIDAt: g.Index, GID: g.Address.As16(), MTU: int(shown.mtu),
				WriteMax: cmp.Or(uint64(shown.write_max), writeMax), Net: p.Interface})
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

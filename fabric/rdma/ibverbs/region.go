//go:build rdma && linux && cgo

package ibverbs

/*
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// region is verbs.Region.
type region struct {
	p      *pair
	c      *C.struct_shim_region // nil: deregistered; guarded by p.mu
	local  uint32
	remote verbs.Remote
}

func (p *pair) Register(mem []byte, a verbs.Access) (verbs.Region, error) {
	if len(mem) == 0 {
		return nil, fmt.Errorf("fabric/rdma: a region of no bytes")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.c == nil {
		return nil, errClosed
	}
	at := unsafe.Pointer(unsafe.SliceData(mem)) // a mapping: the adapter may keep the address
	writable := C.int(0)
	if a&verbs.RemoteWrite != 0 {
		writable = 1
	}
	r := &region{p: p}
	var local, remote C.uint32_t
	if err := check("register memory", C.shim_register(p.c, at, C.size_t(len(mem)), writable, &r.c, &local, &remote)); err != nil {
		return nil, fmt.Errorf("%w (%d bytes; is enough memory allowed to be locked? see grafnode fabric probe)", err, len(mem))
	}
	r.local, r.remote = uint32(local), verbs.Remote{At: uint64(uintptr(at)), Bytes: uint64(len(mem)), Key: uint32(remote)}
	p.regions[r] = true
	return r, nil
}

func (r *region) LocalKey() uint32     { return r.local }
func (r *region) Remote() verbs.Remote { return r.remote }

func (r *region) Close() error {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	return r.closeLocked()
}

// closeLocked deregisters the region. p.mu is held.
func (r *region) closeLocked() error {
	if r.c == nil {
		return nil
	}
	if err := check("deregister memory", C.shim_deregister(r.c)); err != nil {
		return err
	}
	r.c = nil
	delete(r.p.regions, r)
	return nil
}

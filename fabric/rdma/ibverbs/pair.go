//go:build rdma && linux && cgo

package ibverbs

/*
#cgo noescape shim_pair
#cgo noescape shim_connect
#cgo noescape shim_post
#cgo nocallback shim_post
#cgo noescape shim_receives
#cgo nocallback shim_receives
#cgo noescape shim_poll
#cgo nocallback shim_poll
#cgo noescape shim_events
#cgo nocallback shim_events
#include "shim.h"
*/
import "C"

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// pollMax is how many completions a Poll returns at most.
const pollMax = 64

// numberBits is the length of a packet's number.
const numberBits = 24

var errClosed = errors.New("fabric/rdma: closed")

// pair is verbs.Pair. What lies in C's memory is used by one goroutine at a time: writes and inlined in Post, completions in Poll.
type pair struct {
	d     *device
	room  verbs.Room
	first uint32 // number of the first packet

	writes      []C.struct_shim_write
	inlined     []byte
	completions []C.struct_shim_completion

	channel *bell

	mu      sync.Mutex
	c       *C.struct_shim_pair // nil: closed; changed under mu when no call but Fail and Wake is under way
	regions map[*region]bool
}

// NewPair makes a queue pair in state INIT.
func (d *device) NewPair(r verbs.Room) (verbs.Pair, error) {
	if r.Writes < 1 || r.Receives < 1 || r.Inline < 0 || r.Writes > d.limits.Writes || r.Receives > d.limits.Receives {
		return nil, fmt.Errorf("fabric/rdma: %s has no queue pairs with room for %+v: at most %+v", d.port.Device, r, d.limits)
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	p := &pair{d: d, room: r, first: binary.NativeEndian.Uint32(random[:]) >> (32 - numberBits), regions: map[*region]bool{}}
	room := C.struct_shim_room{writes: C.uint32_t(r.Writes), receives: C.uint32_t(r.Receives), inlined: C.uint32_t(r.Inline),
		completions: pollMax, port: C.uint8_t(d.port.Number)}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.c == nil {
		return nil, errClosed
	}
	if err := check("make a queue pair of "+d.port.Device, C.shim_pair(d.c, &room, &p.c)); err != nil {
		return nil, err
	}
	p.writes = unsafe.Slice(C.shim_writes(p.c), r.Writes)
	p.inlined = unsafe.Slice((*byte)(C.shim_inlined(p.c)), r.Writes*r.Inline)
	p.completions = unsafe.Slice(C.shim_completions(p.c), pollMax)
	var err error
	if p.channel, err = newBell(int(C.shim_descriptor(p.c))); err != nil {
		return nil, errors.Join(err, check("destroy a queue pair", C.shim_destroy(p.c)))
	}
	return p, nil
}

func (p *pair) Local() verbs.Address {
	return verbs.Address{GID: p.d.port.GID, Number: uint32(C.shim_number(p.c)), First: p.first, LID: p.d.lid, MTU: p.d.port.MTU}
}

func (p *pair) Connect(peer verbs.Address, r verbs.Retry) error {
	if !validRetry(r) {
		return fmt.Errorf("fabric/rdma: %+v: retries must end, and times be positive", r)
	}
	path := C.struct_shim_path{number: C.uint32_t(peer.Number), first: C.uint32_t(peer.First), own_first: C.uint32_t(p.first),
		mtu: C.uint32_t(min(peer.MTU, p.d.port.MTU)), lid: C.uint16_t(peer.LID), port: C.uint8_t(p.d.port.Number),
		gid_at: C.uint8_t(p.d.port.GIDAt), ack_timeout: C.uint8_t(ackCode(r.AckTimeout)), retries: C.uint8_t(r.Count),
		not_ready: C.uint8_t(r.NotReady), pause: C.uint8_t(pauseCode(r.Pause))}
	for i, b := range peer.GID {
		path.gid[i] = C.uint8_t(b)
	}
	return check("connect a queue pair", C.shim_connect(p.c, &path))
}

func (p *pair) Post(ws []verbs.Write) error {
	if len(ws) > len(p.writes) {
		return fmt.Errorf("fabric/rdma: %d writes at once, with room for %d", len(ws), len(p.writes))
	}
	for i := range ws {
		w := &ws[i]
		to := &p.writes[i]
		*to = C.struct_shim_write{id: C.uint64_t(w.ID), to: C.uint64_t(w.To), bytes: C.uint32_t(len(w.Local)), lkey: C.uint32_t(w.Key),
			rkey: C.uint32_t(w.RKey), imm: C.uint32_t(w.Imm)}
		if w.Inline {
			if len(w.Local) > p.room.Inline {
				return fmt.Errorf("fabric/rdma: %d bytes inline, with room for %d", len(w.Local), p.room.Inline)
			}
			copy(p.inlined[i*p.room.Inline:], w.Local)
			to.flags |= C.SHIM_INLINE
		} else if len(w.Local) > 0 {
			to.local = C.uint64_t(uintptr(unsafe.Pointer(unsafe.SliceData(w.Local)))) // a mapping: the number stays right
		}
		if w.Signaled {
			to.flags |= C.SHIM_SIGNALED
		}
		if w.WithImm {
			to.flags |= C.SHIM_IMM
		}
	}
	return check("post", C.shim_post(p.c, C.uint32_t(len(ws))))
}

func (p *pair) PostReceives(n int) error {
	return check("post receives", C.shim_receives(p.c, C.uint32_t(n)))
}

// statuses translates the shim's.
var statuses = [...]verbs.Status{C.SHIM_OK: verbs.StatusOK, C.SHIM_FLUSHED: verbs.StatusFlushed, C.SHIM_REMOTE_ACCESS: verbs.StatusRemoteAccess,
	C.SHIM_RETRIES: verbs.StatusRetries, C.SHIM_NOT_READY: verbs.StatusNotReady, C.SHIM_OTHER: verbs.StatusOther}

func (p *pair) Poll(into []verbs.Completion) (int, error) {
	n := int(C.shim_poll(p.c, C.uint32_t(len(into))))
	if n < 0 {
		return 0, check("poll", C.int(-n))
	}
	for i, c := range p.completions[:n] {
		into[i] = verbs.Completion{ID: uint64(c.id), Kind: verbs.Wrote, Status: statuses[c.status], Code: uint32(c.code), Imm: uint32(c.imm),
			HasImm: c.has_imm != 0}
		if c.id == C.SHIM_RECEIVE {
			into[i].ID, into[i].Kind = 0, verbs.Received
		}
	}
	return n, nil
}

// Wait takes what the channel has: that is its crossing.
func (p *pair) Wait() error { return p.channel.wait(func() { C.shim_events(p.c) }) }

func (p *pair) Wake() { p.channel.wake() }

func (p *pair) Fail() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.c == nil {
		return nil
	}
	return check("fail a queue pair", C.shim_fail(p.c))
}

// Close fails the queue pair first, so that nobody writes into a region that goes.
func (p *pair) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.c == nil {
		return nil
	}
	errs := []error{p.channel.close(), check("fail a queue pair", C.shim_fail(p.c))}
	for r := range p.regions {
		errs = append(errs, r.closeLocked())
	}
	errs = append(errs, check("destroy a queue pair", C.shim_destroy(p.c)))
	p.c = nil
	return errors.Join(errs...)
}

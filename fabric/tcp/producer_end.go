package tcp

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/fabric"
)

// producerEnd writes a ring for a remote producer: records in, notes and credit out.
//
// Credit is counted in the cost of all records ever, so it only grows and no message about it can be misread when another
// overtakes it: what has come, plus what is free. A record takes at most its cost, so what is within the credit fits.
type producerEnd struct {
	l     *link
	arena fabric.Arena
	ring  fabric.Producer
	in    inbox
	room  chan struct{} // pump has been woken: room, perhaps
	ended chan struct{} // pump has ended

	turn     sync.Mutex // one goroutine at a time in the ring's calls (except Wait) and in what follows
	claimed  int
	received uint64 // cost of the records that have come
	granted  uint64 // credit that the remote side knows of
	short    uint64 // credit that the remote side waits for, or less than granted
	resumed  bool   // the resume note has been passed on
}

func newProducerEnd(l *link, arena fabric.Arena, ring fabric.Producer) *producerEnd {
	capacity := arena.Config().Capacity
	e := &producerEnd{
		l: l, arena: arena, ring: ring,
		room: make(chan struct{}, 1), ended: make(chan struct{}),
		granted: uint64(capacity), // which the remote side takes for granted
	}
	e.in = inbox{to: e, recordMax: fabric.RecordMax(capacity)}
	return e
}

func (e *producerEnd) handle(f frame) error {
	e.turn.Lock()
	defer e.turn.Unlock()
	switch f.kind {
	case kindRecords, kindPiece:
		if err := e.in.take(f); err != nil {
			return err
		}
	case kindShort:
		e.short = f.number
	default:
		return fmt.Errorf("%v frame from a producer: %w", f.kind, fabric.ErrCorrupt)
	}
	if err := e.ring.Flush(); err != nil {
		return err
	}
	return e.grant()
}

// claim implements store. The caller, handle, has the turn.
func (e *producerEnd) claim(n int) ([]byte, error) {
	if e.received+cost(n) > e.granted {
		return nil, fmt.Errorf("record %d: %d bytes beyond the credit: %w", e.in.next, e.received+cost(n)-e.granted, fabric.ErrCorrupt)
	}
	for {
		b, err := e.ring.Claim(n)
		if err == nil {
			e.claimed = n
		}
		if !errors.Is(err, fabric.ErrFull) {
			return b, err
		}
		// grant has promised a few bytes more than are free. Nothing is read from the remote side meanwhile.
		if err := e.waitRoom(); err != nil {
			return nil, err
		}
	}
}

// waitRoom publishes what is committed, and lets go of the turn until pump has been woken.
func (e *producerEnd) waitRoom() error {
	if err := e.ring.Flush(); err != nil {
		return err
	}
	e.turn.Unlock()
	defer e.turn.Lock()
	select {
	case <-e.room:
		return nil
	case <-e.ended: // the next call says why
		return nil
	case <-e.l.ended:
		return e.l.err()
	}
}

// commit implements store.
func (e *producerEnd) commit() error {
	e.received += cost(e.claimed)
	return e.ring.Commit()
}

func (e *producerEnd) pump(ctx context.Context) error {
	defer close(e.ended)
	for {
		if err := e.tell(); err != nil {
			return err
		}
		if err := e.ring.Wait(ctx); err != nil {
			return err
		}
		wake(e.room)
	}
}

// tell passes on the notes and the credit that are new.
func (e *producerEnd) tell() error {
	e.turn.Lock()
	defer e.turn.Unlock()
	if !e.resumed {
		note, ok, err := e.ring.Resume()
		if err != nil {
			return err
		}
		if ok {
			e.resumed = true
			if err := e.l.send(kindResume, 0, 0, note); err != nil {
				return err
			}
		}
	}
	note, ok, err := e.ring.Stable()
	if err != nil {
		return err
	}
	if ok {
		if err := e.l.send(kindStable, 0, 0, note); err != nil {
			return err
		}
	}
	return e.grant()
}

// grant tells the remote side of its credit if it waits for it, or if the credit has grown by an eighth of the ring. The caller
// has the turn, and all that is committed is flushed.
func (e *producerEnd) grant() error {
	capacity := uint64(e.arena.Config().Capacity)
	credit := e.received + capacity - uint64(e.arena.Usage().Bytes)
	if e.short > e.granted {
		fits, err := e.probe(e.short - e.received) // more than nothing: received is never above granted
		if err != nil {
			return err
		}
		if fits {
			credit = max(credit, e.short)
		}
	}
	if e.short > e.granted && credit >= e.short || credit >= e.granted+capacity/8 {
		e.granted = credit
		return e.l.send(kindCredit, 0, credit, nil)
	}
	return nil
}

// probe reports whether the ring takes a record that costs as much as that. If it does not, Wait returns once it does: nothing
// less than a refused claim makes it.
func (e *producerEnd) probe(wanted uint64) (bool, error) {
	if e.in.open != nil || wanted < cost(0) || wanted > cost(e.in.recordMax) {
		return false, nil // records sent before it asked are still under way; handle looks again when they have come
	}
	_, err := e.ring.Claim(int(wanted - cost(0)))
	switch {
	case err == nil:
		e.ring.Abort()
		return true, nil
	case errors.Is(err, fabric.ErrFull):
		return false, nil
	}
	return false, err
}

func (e *producerEnd) close() error { return e.ring.Close() }

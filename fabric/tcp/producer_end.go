package tcp

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/fabric"
)

// writeEnd is the writing side of a ring in this process, which takes whole stretches beside fabric's records. The rings of
// fabric/shm and fabric/inproc do.
type writeEnd interface {
	fabric.Producer
	// Room returns n bytes, from skip bytes behind the end of what is committed, for a stretch to be read into, or ErrFull.
	Room(skip, n int) ([]byte, error)
	// Append commits the records in the first n of those bytes, and returns how many bytes of one more were left over.
	Append(n int) (left int, err error)
}

// producerEnd writes a ring for a remote producer: records in, notes and credit out.
//
// What comes is read into the ring's memory, where it stays, and committed once it is checked. The ring's reader sees it when no more has
// come for the moment, or when it is much: to wake a process for each frame takes longer than the frame. Credit is how far the remote side may
// write: what the consumer has freed and a ring's length beyond. It only grows, so that no message about it can be misread
// when another overtakes it, and whatever is within it has room: this end never waits for the ring.
type producerEnd struct {
	l        *link
	ring     writeEnd
	usage    func() fabric.Usage
	capacity uint64

	turn     sync.Mutex // one goroutine at a time in the ring's calls (except Wait) and in what follows
	received uint64     // cursor behind what has come; stored by the reader alone, like left and shown
	shown    uint64     // cursor behind what the consumer may see
	step     uint64     // bytes after which it is to see more, though more is there to be read
	left     int        // of that, bytes of a record whose rest has not
	granted  uint64     // cursor that the remote side may write to, as far as it knows
	short    uint64     // cursor that the remote side waits to write to, or less than granted
	probed   bool       // the ring has been asked for that
	resumed  bool       // the resume note has been passed on
	wanted   bool       // and that the consumer wants to move here

	lane
}

func newProducerEnd(l *link, arena fabric.Arena, ring writeEnd) *producerEnd {
	capacity := uint64(arena.Config().Capacity)
	e := &producerEnd{l: l, ring: ring, usage: arena.Usage, capacity: capacity, step: min(stretchMax, capacity/8)}
	e.granted = capacity // which the remote side takes for granted
	e.landed = make(chan struct{}, 1)
	e.ended, e.abort = context.WithCancelCause(context.Background())
	l.to = e
	return e
}

// room implements receiver.
func (e *producerEnd) room(at uint64, n int) ([]byte, error) {
	e.turn.Lock()
	defer e.turn.Unlock()
	switch {
	case at != e.received:
		return nil, fmt.Errorf("records from byte %d, want %d: %w", at, e.received, fabric.ErrCorrupt)
	case uint64(n) > e.granted-e.received:
		return nil, fmt.Errorf("records up to byte %d, the credit ends at %d: %w", at+uint64(n), e.granted, fabric.ErrCorrupt)
	}
	b, err := e.ring.Room(e.left, n)
	if errors.Is(err, fabric.ErrFull) {
		return nil, fmt.Errorf("the consumer has taken back its ack of byte %d: %w", e.granted-e.capacity, fabric.ErrCorrupt)
	}
	return b, err
}

func (e *producerEnd) handle(f frame) error {
	e.turn.Lock()
	defer e.turn.Unlock()
	switch f.kind {
	case kindRecords:
		e.received += uint64(len(f.payload))
		left, err := e.ring.Append(e.left + len(f.payload))
		if err != nil {
			return err
		}
		e.left = left
		if e.received-e.shown < e.step {
			return nil // until idle
		}
	case kindShort:
		if e.started {
			return fmt.Errorf("%v frame beside a way: %w", f.kind, fabric.ErrCorrupt)
		}
		e.short = f.number
	case kindActive:
		return e.ring.Activate()
	case kindDirect:
		return e.start(f.payload)
	default:
		return fmt.Errorf("%v frame from a producer: %w", f.kind, fabric.ErrCorrupt)
	}
	return e.show()
}

// idle implements receiver: who reads the ring is woken by what has come together, not by each frame.
func (e *producerEnd) idle() error {
	if e.shown == e.received-uint64(e.left) {
		return nil // without the turn, which pump has while it writes
	}
	e.turn.Lock()
	defer e.turn.Unlock()
	return e.show()
}

// show lets the consumer see what has come.
func (e *producerEnd) show() error {
	e.shown = e.received - uint64(e.left) // also if it fails: once is enough
	if err := e.ring.Flush(); err != nil {
		return err
	}
	return e.grant()
}

func (e *producerEnd) pump(ctx context.Context) error {
	defer e.leave()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.ended, func() { cancel(context.Cause(e.ended)) })()
	for {
		if err := e.tell(); err != nil {
			return err
		}
		if err := e.ring.Wait(ctx); err != nil {
			return err
		}
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
	if err := e.tellWanted(); err != nil {
		return err
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
// has the turn.
func (e *producerEnd) grant() error {
	if e.started {
		return e.credit()
	}
	credit := e.shown + e.capacity - uint64(e.usage().Bytes)
	if credit < e.granted+e.capacity/8 {
		if e.short <= e.granted {
			return e.unprobe()
		}
		if err := e.probe(); errors.Is(err, fabric.ErrFull) {
			return nil
		} else if err != nil {
			return err
		}
		credit = max(credit, e.short)
	}
	e.granted = credit
	if err := e.unprobe(); err != nil {
		return err
	}
	return e.l.send(kindCredit, 0, credit, nil)
}

// probe asks the ring for the room that the remote side waits for. If there is none, Wait returns once there is: nothing less than
// a refused claim makes it.
func (e *producerEnd) probe() error {
	if wanted := e.short - e.received; wanted <= fabric.RecordBytes(fabric.RecordMax(int(e.capacity))) {
		e.probed = true
		_, err := e.ring.Room(e.left, int(wanted))
		return err
	}
	return fabric.ErrFull // no record is as large: nothing to wait for
}

// unprobe has Wait no longer return for room that was asked for.
func (e *producerEnd) unprobe() error {
	if !e.probed {
		return nil
	}
	e.probed = false
	_, err := e.ring.Room(e.left, 0)
	return err
}

func (e *producerEnd) close() error {
	e.leave()
	e.abort(nil)
	return e.ring.Close()
}

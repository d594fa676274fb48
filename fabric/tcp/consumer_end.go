package tcp

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/grafnode/grafnode/fabric"
)

// readEnd is the reading side of a ring in this process, which gives out whole stretches beside fabric's records. The rings of
// fabric/shm and fabric/inproc do.
type readEnd interface {
	fabric.Consumer
	// Stretch returns the next records, one at least, and as many as make no more than limit bytes. They count as returned by
	// Next, whose errors it has.
	Stretch(limit int) ([]byte, error)
}

// consumerEnd reads a ring for a remote consumer: records out, notes and acks in. It sends all there is: what is not acked
// keeps its room in the ring, so the remote side never holds more than a ring's worth.
type consumerEnd struct {
	l      *link
	ring   readEnd
	sent   uint64     // cursor behind what has been sent
	active bool       // the remote side has been told that the ring is
	turn   sync.Mutex // one goroutine at a time in the ring's calls, except Wait
}

func (e *consumerEnd) handle(f frame) error {
	e.turn.Lock()
	defer e.turn.Unlock()
	var err error
	switch f.kind {
	case kindResume:
		err = e.ring.SetResume(f.payload)
	case kindAck:
		note := f.payload
		if f.flags&flagNote == 0 {
			note = nil
		}
		err = e.ring.Ack(f.number, note)
	case kindWant:
		err = e.ring.WantMove()
	default:
		return fmt.Errorf("%v frame from a consumer: %w", f.kind, fabric.ErrCorrupt)
	}
	if err == nil || fabric.Lost(err) {
		return nil // a loss is pump's to report, after the records that are intact
	}
	return fmt.Errorf("%v refused: %w: %w", f.kind, fabric.ErrCorrupt, err)
}

func (e *consumerEnd) pump(ctx context.Context) error {
	for turn := 0; ; {
		if err := e.tellActive(); err != nil {
			return err
		}
		stretch, err := e.next()
		switch {
		case err == nil:
			err = e.send(stretch)
		case errors.Is(err, fabric.ErrEmpty):
			err = e.ring.Wait(ctx)
		}
		if err != nil {
			return err
		}
		if turn += len(stretch); turn >= turnBytes {
			turn = 0
			runtime.Gosched() // see turnBytes
		}
	}
}

// next returns records, which stay as they are until their ack: who acks what it has not been sent gets rubbish.
func (e *consumerEnd) next() ([]byte, error) {
	e.turn.Lock()
	defer e.turn.Unlock()
	return e.ring.Stretch(stretchMax)
}

// send sends a stretch, in parts if it is a record for which one frame is too small.
func (e *consumerEnd) send(stretch []byte) error {
	for len(stretch) > 0 {
		n := min(len(stretch), payloadMax)
		if err := e.l.writeRecords(e.sent, stretch[:n]); err != nil {
			return err
		}
		e.sent += uint64(n)
		stretch = stretch[n:]
	}
	return nil
}

func (e *consumerEnd) settle(uint64) error { return nil }

func (e *consumerEnd) close() error { return e.ring.Close() }

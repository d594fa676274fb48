package tcp

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/fabric"
)

// consumerEnd reads a ring for a remote consumer: records out, notes and acks in. It sends all there is: what is not acked
// keeps its room in the ring, so the remote side never holds more than a ring's worth.
type consumerEnd struct {
	l    *link
	ring fabric.Consumer
	out  *outbox
	turn sync.Mutex // one goroutine at a time in the ring's calls, except Wait
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
	default:
		return fmt.Errorf("%v frame from a consumer: %w", f.kind, fabric.ErrCorrupt)
	}
	if err == nil || fabric.Lost(err) {
		return nil // a loss is pump's to report, after the records that are intact
	}
	return fmt.Errorf("%v refused: %w: %w", f.kind, fabric.ErrCorrupt, err)
}

func (e *consumerEnd) pump(ctx context.Context) error {
	for {
		record, err := e.next()
		switch {
		case err == nil:
			err = e.out.copyIn(record) // which stays as it is until its ack; who acks what it has not been sent gets rubbish
		case errors.Is(err, fabric.ErrEmpty):
			if err = e.out.flush(); err == nil {
				err = e.ring.Wait(ctx)
			}
		default:
			return errors.Join(err, e.out.flush())
		}
		if err != nil {
			return err
		}
	}
}

func (e *consumerEnd) next() ([]byte, error) {
	e.turn.Lock()
	defer e.turn.Unlock()
	return e.ring.Next()
}

func (e *consumerEnd) close() error { return e.ring.Close() }

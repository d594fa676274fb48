package tcp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/fabric"
)

// carriedEnd is a writeEnd into whose memory others can write.
type carriedEnd interface {
	// Memory returns the ring's data, nil if no other may write there.
	Memory() []byte
	// Advance commits what another has written there.
	Advance(to, records uint64) error
}

// lane is what a producerEnd has beside, if the remote side's records come by a way. Guarded by its turn, but for landed and abort.
type lane struct {
	way      Incoming        // nil: none has been accepted
	fallback func(why error) // of the Direct whose that is
	started  bool
	answered uint64          // the short that has been answered last
	landed   chan struct{}   // of capacity one: received has grown
	ended    context.Context // once the way is broken, with why
	abort    context.CancelCauseFunc
}

var errRemoteRefused = errors.New("the remote side could not finish it, and says why itself")

// accept answers an offer: with what the remote side is to know, or why it could not be accepted, or, if it is declined, with neither.
func (e *producerEnd) accept(d Direct, h Hello) (accepted, notDirect string) {
	if h.Offer == "" || d == nil {
		return "", ""
	}
	var memory []byte
	if ring, ok := e.ring.(carriedEnd); ok {
		memory = ring.Memory()
	}
	if memory == nil {
		return "", fmt.Sprintf("a %T takes no way", e.ring)
	}
	way, accepted, err := d.Accept(h.Edge, h.Offer, memory)
	if err != nil {
		d.Fallback(h.Edge, h.side(), err)
		return "", refusal(err).Message
	}
	if way == nil {
		return "", ""
	}
	e.way, e.fallback = way, func(why error) { d.Fallback(h.Edge, h.side(), why) }
	return accepted, ""
}

// start has the records come by the way, or, if the remote side could not finish it, by the connection. The caller has the turn.
func (e *producerEnd) start(ready []byte) error {
	switch {
	case e.way == nil || e.started || e.received > 0:
		return fmt.Errorf("%v frame that nobody waits for: %w", kindDirect, fabric.ErrCorrupt)
	case len(ready) == 0:
		e.fallback(errRemoteRefused)
		e.way.Close()
		e.way = nil
		return e.l.send(kindDirect, 0, 0, nil)
	}
	e.started = true
	e.l.to = nil // this is the goroutine that reads
	if err := e.way.Start(string(ready), e); err != nil {
		return fmt.Errorf("the way of its own: %w: %w", fabric.ErrDisconnected, err)
	}
	return nil
}

// Landed implements Landing.
func (e *producerEnd) Landed(tail, records, short uint64) error {
	err := e.land(tail, records, short)
	if err != nil {
		e.abort(err)
	}
	wake(e.landed)
	return err
}

func (e *producerEnd) land(tail, records, short uint64) error {
	e.turn.Lock()
	defer e.turn.Unlock()
	if tail < e.received || tail > e.granted {
		return fmt.Errorf("records up to byte %d after %d, the credit ends at %d: %w", tail, e.received, e.granted, fabric.ErrCorrupt)
	}
	if err := e.ring.(carriedEnd).Advance(tail, records); err != nil {
		return err
	}
	e.received, e.short = tail, short
	return e.show()
}

// Broken implements Landing.
func (e *producerEnd) Broken(why error) { e.abort(disconnected(why)) }

// credit tells the remote side of its credit if it waits for it, or if it has grown by an eighth of the ring. The caller has the turn.
func (e *producerEnd) credit() error {
	credit := max(e.granted, e.shown+e.capacity-uint64(e.usage().Bytes))
	asked := e.short != e.answered
	if asked && credit < e.short {
		switch err := e.probe(); {
		case err == nil:
			credit = e.short
		case !errors.Is(err, fabric.ErrFull):
			return err
		}
	}
	answer := asked && credit >= e.short
	if answer {
		e.answered = e.short
	}
	if !asked || answer {
		if err := e.unprobe(); err != nil {
			return err
		}
	}
	if !answer && credit < e.granted+e.capacity/8 {
		return nil
	}
	e.granted = credit
	return e.way.Credit(credit - e.capacity)
}

// settle waits until what the remote side has written before it left has landed: the connection is no slower than its way.
func (e *producerEnd) settle(upto uint64) error {
	patience := e.l.patience()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for e.expects(upto) {
		select {
		case <-e.landed:
		case <-e.ended.Done():
			return context.Cause(e.ended)
		case <-e.l.ended:
			return e.l.err()
		case <-limit.C:
			return fmt.Errorf("%w: what was written up to byte %d has not landed within %v", fabric.ErrDisconnected, upto, patience)
		}
	}
	return nil
}

func (e *producerEnd) expects(upto uint64) bool {
	e.turn.Lock()
	defer e.turn.Unlock()
	return e.started && e.received < upto
}

// leave closes the way, if there is one: what the remote side writes later is refused by the adapter.
func (e *producerEnd) leave() {
	e.turn.Lock()
	way := e.way
	e.turn.Unlock()
	if way != nil {
		way.Close() // without the turn, which Landed may be waiting for
	}
}

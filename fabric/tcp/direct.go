package tcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/fabric"
)

// Direct opens ways by which a remote producer's records go past the connection, from its memory into the ring's: fabric/rdma has one.
// The connection stays for all that is said seldom, notes among it, and for who lives: when it ends so does the way.
//
// A way is offered with the Hello, accepted with the answer, and begins with the first frame after that; each step may fail, and then the
// records go by the connection. The three texts that this takes are the Direct's own, at most directMax bytes each.
type Direct interface {
	// Offer begins a remote producer's end. It returns what the owner's Accept is to know, or nil if that edge is to go by the connection.
	Offer(edge string) (Outgoing, string, error)
	// Accept begins the owner's end, into memory, a ring's data. It returns what the remote side's Connect is to know. The memory must stay
	// until Incoming.Close has returned.
	Accept(edge, offer string, memory []byte) (Incoming, string, error)
	// Fallback is told that a side of edge for which there might have been a way goes by the connection, and why: an ErrDeclined is nobody's failure.
	Fallback(edge, side string, why error)
}

// Outgoing is a remote producer's end of a way, until there is a producer.
type Outgoing interface {
	// Connect finishes this end, and finds out that the way goes anywhere. It returns the producer, whose the way is then, and what Start is to
	// know. It blocks for no longer than ctx, which has no bearing on the producer afterwards.
	Connect(ctx context.Context, c fabric.Config, answer string, line Line) (Carried, string, error)
	// Close gives up. Not after a Connect that has returned no error.
	Close()
}

// Carried is a producer whose records go by a way, and who hears the rest from here: one goroutine calls what follows, beside the other calls
// and, the Producer closed, after them.
type Carried interface {
	fabric.Producer
	// HearResume, HearStable and HearWant bring what the ring's consumer has said. HearResume reports whether it was the first.
	HearResume(note []byte) (first bool)
	HearStable(note []byte)
	HearWant()
	// Lose says that the ring is lost, and why: Lost is true for that. It is called once, last, unless the side has departed.
	Lose(why error)
}

// Line is a carried producer's connection.
type Line struct{ l *link }

// Activate says what fabric.Producer's does.
func (l Line) Activate() error { return l.l.send(kindActive, 0, 0, nil) }

// Fail ends the connection because the way is broken. If that is the owner's doing, its word comes by the connection, and is the better reason: so
// it has a moment. Never blocks.
func (l Line) Fail(why error) {
	time.AfterFunc(min(l.l.key.silence(), lastWord), func() {
		_ = l.l.fail(disconnected(why)) // which Carried hears of
	})
}

const lastWord = time.Second

// Depart ends the connection in good order: the owner takes what has been written up to the cursor tail, and confirms. It blocks like a
// producer's Close, with the same errors. The way must go on meanwhile.
func (l Line) Depart(tail uint64) error { return l.l.depart(tail) }

// Incoming is the owner's end of a way.
type Incoming interface {
	// Start begins to take what lands. ready is what Connect returned. After Close it does nothing.
	Start(ready string, to Landing) error
	// Credit tells the remote side that the consumer has acked so far, and wakes it. The cursor never falls. It never blocks.
	Credit(acked uint64) error
	// Close ends the way: when it returns nothing lands any more and Landing's calls have ended. Idempotent, any goroutine but Landing's.
	Close()
}

// Landing is told by one goroutine of a way's what happens on it.
type Landing interface {
	// Landed says that records have landed up to the cursor tail, so many since the ring began, and up to where the remote side waits to write; zero:
	// it has not. An error ends the way: nothing is told any more.
	Landed(tail, records, short uint64) error
	// Broken says that the way is broken, and why. It is the last word.
	Broken(why error)
}

// directMax bounds each text of a way's, bytes.
const directMax = 1 << 10

// ErrDeclined says that the ring's node has no way, or does not want one for that edge.
var ErrDeclined = errors.New("the ring's node is set to go by the connection")

var errOwnerRefused = errors.New("the ring's node could not begin it")

// offer begins a way if there is a Direct.
func (a *Attach) offer() Outgoing {
	if a.Direct == nil {
		return nil
	}
	way, offer, err := a.Direct.Offer(a.Edge)
	if err != nil {
		a.Direct.Fallback(a.Edge, a.side(), err)
		return nil
	}
	if way == nil {
		return nil
	}
	a.Offer = offer
	return way
}

// carry returns the producer: one whose records go by way, or else by the connection. That they fall back to it is told when the owner, if it has accepted a
// way, says so, too: a ring that is lost meanwhile is no reason to. An error is ctx's cause.
func (a *Attach) carry(ctx context.Context, l *link, way Outgoing, said answer) (fabric.Producer, error) {
	var fallback func()
	if way != nil {
		p, err := a.connectWay(ctx, l, way, said)
		if err == nil {
			return p, nil
		}
		way.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		fallback = func() { a.Direct.Fallback(a.Edge, a.side(), err) }
	}
	p := newProducer(l, said.Capacity)
	switch {
	case fallback == nil:
	case said.Accepted == "":
		fallback()
	default:
		p.fallback = fallback
		_ = l.send(kindDirect, 0, 0, nil) // a link that has failed says so later
	}
	return p.open(), nil
}

// errWaySlow is why a way is given up for which nothing else has said that it goes nowhere.
var errWaySlow = errors.New("it was not there in the time that a side has to attach")

func (a *Attach) connectWay(ctx context.Context, l *link, way Outgoing, said answer) (fabric.Producer, error) {
	switch {
	case said.Accepted != "":
	case said.NotDirect != "":
		return nil, fmt.Errorf("%w: %s", errOwnerRefused, said.NotDirect)
	default:
		return nil, ErrDeclined
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cmp.Or(a.Timeout, AttachTimeoutDefault), errWaySlow)
	defer cancel()
	c := fabric.Config{Arena: a.Arena, Edge: a.Edge, Generation: a.Generation, Capacity: said.Capacity}
	p, ready, err := way.Connect(ctx, c, said.Accepted, Line{l})
	if err != nil {
		return nil, err
	}
	_ = l.send(kindDirect, 0, 0, []byte(ready)) // likewise
	l.tasks.Go(func() {
		l.receive(func(f frame) error { return hear(p, f) })
		if err := l.err(); !errors.Is(err, errDeparted) {
			p.Lose(err)
		}
	})
	return p, nil
}

// hear takes in what the owner says to a carried producer.
func hear(p Carried, f frame) error {
	switch f.kind {
	case kindBeat:
	case kindSeal:
		return decodeRefusal(f.payload)
	case kindResume:
		if !p.HearResume(f.payload) {
			return fmt.Errorf("second resume note: %w", fabric.ErrCorrupt)
		}
	case kindStable:
		p.HearStable(f.payload)
	case kindWant:
		p.HearWant()
	default:
		return fmt.Errorf("%v frame to a producer that has a way of its own: %w", f.kind, fabric.ErrCorrupt)
	}
	return nil
}

package edge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// receiver is a Consumer without its type. It owns two goroutines: the link's run, and one that sends acknowledgements that
// nobody else does. The ring is used under mu, but for Wait.
type receiver struct {
	link  *link[fabric.Consumer]
	cl    Cluster
	marks bool
	mode  fabric.Mode
	stop  context.CancelCauseFunc
	all   sync.WaitGroup // the goroutines
	late  *time.Timer    // of the settler
	over  atomic.Bool    // err is set: stored by fail, loaded by pop

	inbox inbox // of the goroutine that pops

	mu       sync.Mutex
	r        *handoff.Receiver
	resumed  fence.Epoch     // the ring that has the resume note
	ring     fabric.Consumer // nil while none is bound
	ringCtx  context.Context // ends when ring is to be left
	changed  chan struct{}   // closed and replaced when a ring is bound or the role ends
	err      error
	eighth   uint64             // of the bound ring, bytes
	freed    uint64             // records, as last told to the bound ring
	room     uint64             // their bytes
	stable   position.Vector    // as last told to the bound ring
	note     []byte             // room for stable's encoding
	taker    func([]byte) error // take, made once
	owes     bool               // what was drained frees something by itself
	owed     int                // acknowledgements since the last look at what they free
	armed    bool               // the settler's timer runs
	withheld bool               // all was to be settled while items that were not popped yet kept their space
	waiting  bool               // whoever pops has found nothing
	viewing  bool               // a record of ring is in use without mu
	viewed   sync.Cond          // viewing has ended; of mu
	first    bool
	count    counters
	moves    progress
}

func startReceiver(cl Cluster, name string, claim *Roles, resume position.Vector, o options) *receiver {
	ctx, stop := context.WithCancelCause(context.Background())
	c := &receiver{
		cl: cl, marks: o.marks, mode: o.mode, stop: stop, late: time.NewTimer(settleDelay),
		changed: make(chan struct{}), r: handoff.NewReceiver(resume, !o.marks),
	}
	c.late.Stop()
	c.viewed.L = &c.mu
	c.taker = c.take
	c.link = newLink[fabric.Consumer](ctx, cl, name, fabric.RoleConsumer, claim, o, c)
	c.all.Go(c.link.run)
	c.all.Go(func() { c.settler(ctx) })
	return c
}

// install binds a ring: it writes where to resume, then what is stable, and only then lets anybody read.
func (c *receiver) install(ctx context.Context, ring fabric.Consumer, rec api.Edge) error {
	ring.SetMode(c.mode)
	c.mu.Lock()
	defer c.mu.Unlock()
	resume, stable := c.r.Bind(rec.Generation)
	if err := ring.Ack(0, stable.Append([]byte{})); err != nil {
		return err
	}
	if err := c.resume(ring, resume); err != nil {
		return err
	}
	c.ring, c.ringCtx, c.first = ring, ctx, false
	c.eighth, c.freed, c.room, c.stable = rec.Capacity/8, 0, 0, stable
	c.count.bound(rec.Reason)
	c.link.resumed(rec.Generation)
	c.broadcast()
	return nil
}

func (c *receiver) remove() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.viewing {
		c.viewed.Wait()
	}
	c.inbox.detach()
	c.ring, c.ringCtx = nil, nil
}

func (c *receiver) broadcast() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// pop gives the next new entry. If it is inPlace its payload lies in the ring and mu is held, for the caller to give up;
// otherwise it lies in the inbox until the next pop. Unless it may wait it returns errNone when there is nothing.
func (c *receiver) pop(ctx context.Context, e *handoff.Entry, mayWait bool) (inPlace bool, err error) {
	for {
		if !c.over.Load() && c.inbox.take(e) {
			return false, nil
		}
		got, inPlace, wait, err := c.fill(e)
		switch {
		case err != nil || inPlace:
			return inPlace, err
		case got:
			continue
		case !mayWait:
			return false, errNone
		case wait.ring != nil:
			_ = wait.ring.Wait(ctx) // fill finds out what it was; it ends when the ring is left, because that is closed then
		default:
			select {
			case <-wait.changed:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
	}
}

// waiting is what to wait for: news of a ring, or another ring or the role's end.
type waiting struct {
	ring    fabric.Consumer
	changed <-chan struct{}
}

// fill takes from the bound ring what is there, as much as the inbox holds. An entry that is too large for it comes in place,
// with mu held.
func (c *receiver) fill(e *handoff.Entry) (got, inPlace bool, wait waiting, err error) {
	c.mu.Lock()
	defer func() {
		if !inPlace {
			c.mu.Unlock()
		}
	}()
	c.inbox.clear()
	if c.withheld { // or what was acknowledged before it was popped would free nothing until the next acknowledgement
		c.withheld = false
		c.settle(true)
	}
	c.waiting = false
	if c.err != nil {
		return false, false, wait, c.err
	}
	if c.ring == nil || c.ringCtx.Err() != nil {
		return false, false, waiting{changed: c.changed}, nil
	}
	for c.inbox.empty() {
		_, err := c.ring.Drain(inboxEntries, c.taker)
		if c.owes { // not while it drains
			c.owes = false
			c.owe()
		}
		if err == nil || !c.inbox.empty() { // an error is said again
			continue
		}
		if errors.Is(err, errInPlace) {
			var fresh bool
			if fresh, err = c.next(e); fresh {
				return true, true, wait, nil
			}
		}
		switch {
		case err == nil:
			continue // a repeat, or items that are in the inbox
		case errors.Is(err, fabric.ErrEmpty):
			wait.ring = c.ring
		default:
			c.link.lost(c.r.Generation(), err)
			wait.changed = c.changed
		}
		c.waiting = true
		c.settle(false)
		return false, false, wait, nil
	}
	return true, false, wait, nil
}

func (c *receiver) ack(pos position.Position) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if err := c.r.Ack(pos); err != nil {
		return fmt.Errorf("edge %s: %w", c.link.name, err)
	}
	c.owe()
	return nil
}

func (c *receiver) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		c.over.Store(true)
		c.count.failed(err)
		c.broadcast()
	}
	c.stop(err)
}

func (c *receiver) close() error {
	c.mu.Lock()
	c.settle(true)
	c.mu.Unlock()
	c.fail(ErrClosed)
	c.all.Wait()
	return nil
}

func (c *receiver) relocate(ctx context.Context) error {
	c.mu.Lock()
	err := c.err
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.link.relocate(ctx)
}

func (c *receiver) report() api.EdgeReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.count.report(c.link.name, fabric.RoleConsumer, c.r.Generation())
	r.Retained = uint64(c.r.Pending())
	c.link.report(&r)
	c.moves.stands(&r, time.Now(), taken{c.count.items + c.count.repeats, c.r.Stable()})
	return r
}

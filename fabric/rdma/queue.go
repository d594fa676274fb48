package rdma

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// queue is what both ends of a way do with their pair: post under a window, keep receives posted, and take completions in a goroutine of
// its own, which sleeps in the netpoller while there are none.
type queue struct {
	f    *Fabric
	on   *adapter
	pair verbs.Pair

	mu     sync.Mutex // one goroutine at a time posts writes
	window window
	batch  []verbs.Write // what is posted is put together here
	broken bool          // nothing is posted any more

	// Of the goroutine that takes completions.
	taken    uint64 // messages of the other end ever
	owed     int    // receives to post again
	last     uint32 // the latest message's immediate
	stopping atomic.Bool
	failed   atomic.Pointer[error] // why it is to end, which no completion says
	done     chan struct{}         // closed when that goroutine has ended; nil: it has not begun
}

// fail has the goroutine that takes completions end for a reason for which fabric.Lost reports true. Any goroutine, at any time.
func (q *queue) fail(why error) {
	q.failed.CompareAndSwap(nil, &why)
	q.pair.Wake()
}

// connect posts the first receives and goes to where both ends can send.
func (q *queue) connect(peer verbs.Address, receives int) error {
	if err := q.pair.PostReceives(receives); err != nil {
		return fmt.Errorf("rdma: post %d receives: %w", receives, err)
	}
	if err := q.pair.Connect(peer, q.f.config.Retry); err != nil {
		return fmt.Errorf("rdma: connect to queue pair %d at %x: %w", peer.Number, peer.GID, err)
	}
	return nil
}

// post posts ws, which has records of so many bytes. The caller has mu, and knows that there is room. Until one is known to be done, each is to
// say so.
func (q *queue) post(ws []verbs.Write, records uint64) error {
	q.window.number(ws, q.window.done == 0)
	c := &q.f.counts
	c.crossings.Add(1)
	c.posts.Add(1)
	c.writes.Add(uint64(len(ws)))
	c.bytes.Add(records)
	c.wordBytes.Add(uint64(len(ws[len(ws)-1].Local)))
	if err := q.pair.Post(ws); err != nil {
		q.broken = true
		return fmt.Errorf("%w: rdma: post: %w", fabric.ErrDisconnected, err)
	}
	return nil
}

// receive posts the receives that are owed, if they are enough to be worth a crossing.
func (q *queue) receive(enough int) (posted int, err error) {
	if q.owed < enough {
		return 0, nil
	}
	posted, q.owed = q.owed, 0
	q.f.counts.crossings.Add(1)
	if err := q.pair.PostReceives(posted); err != nil {
		return 0, fmt.Errorf("%w: rdma: post %d receives: %w", fabric.ErrDisconnected, posted, err)
	}
	return posted, nil
}

// run takes completions until stop, and calls took after each handful, with how many of them were messages. It returns why it ended, nil
// after stop.
func (q *queue) run(took func(messages int) error) error {
	var completions [completionsMax]verbs.Completion
	for {
		q.f.counts.crossings.Add(1)
		q.f.counts.polls.Add(1)
		n, err := q.pair.Poll(completions[:])
		failed := q.failed.Load()
		switch {
		case q.stopping.Load():
			return nil
		case failed != nil:
			return *failed
		case err != nil:
			return fmt.Errorf("%w: rdma: poll: %w", fabric.ErrDisconnected, err)
		case n == 0:
			if err := q.pair.Wait(); err != nil && !q.stopping.Load() {
				return fmt.Errorf("%w: rdma: wait for completions: %w", fabric.ErrDisconnected, err)
			}
			continue
		}
		messages, err := q.take(completions[:n])
		if err == nil {
			err = took(messages)
		}
		if err != nil {
			return err
		}
	}
}

// take notes what completions say.
func (q *queue) take(cs []verbs.Completion) (messages int, err error) {
	q.f.counts.completions.Add(uint64(len(cs)))
	for i := range cs {
		switch c := &cs[i]; {
		case c.Status != verbs.StatusOK:
			return messages, q.refusal(c)
		case c.Kind == verbs.Wrote:
			q.mu.Lock()
			err = q.window.completed(c.ID)
			q.mu.Unlock()
		case !c.HasImm:
			err = errors.New("rdma: a message without an immediate")
		default:
			messages++
			q.last = c.Imm
		}
		if err != nil {
			return messages, fmt.Errorf("%w: %w", fabric.ErrCorrupt, err)
		}
	}
	q.taken += uint64(messages)
	q.owed += messages
	q.f.counts.messages.Add(uint64(messages))
	return messages, nil
}

// ErrFenced says that the adapter at the other end has refused a write: the region is no longer registered for this pair. It is an
// ErrDisconnected too.
var ErrFenced = fmt.Errorf("refused by the other end's adapter: %w", fabric.ErrDisconnected)

// refusal is why a request has failed.
func (q *queue) refusal(c *verbs.Completion) error {
	if c.Status == verbs.StatusRemoteAccess {
		q.f.counts.refused.Add(1)
		return fmt.Errorf("rdma: write %d: %v: %w", c.ID, c.Status, ErrFenced)
	}
	return fmt.Errorf("%w: rdma: request %d: %v (%d)", fabric.ErrDisconnected, c.ID, c.Status, c.Code)
}

// stop ends the goroutine that takes completions, and all traffic. When it returns the other end can write nothing any more, and the adapter
// has let go of the memory. The regions go first, so that a writer who does not know yet is refused rather than left without an answer.
func (q *queue) stop(regions ...verbs.Region) {
	q.mu.Lock()
	q.broken = true
	q.mu.Unlock()
	for _, r := range regions {
		if r == nil {
			continue
		}
		if err := r.Close(); err != nil {
			q.f.config.Logger.Error("an RDMA region cannot be deregistered", "device", q.on.port.Device, "error", err)
		}
	}
	q.stopping.Store(true)
	if err := q.pair.Fail(); err != nil {
		q.f.config.Logger.Error("an RDMA queue pair cannot be failed", "device", q.on.port.Device, "error", err)
	}
	if q.done != nil {
		q.pair.Wake()
		<-q.done
	}
	q.f.release(q)
}

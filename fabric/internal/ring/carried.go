package ring

import (
	"fmt"

	"github.com/grafnode/grafnode/fabric"
)

// This file is for who carries a ring between hosts from memory to memory, package fabric/rdma. The ring's memory is there twice: a
// mirror at the producer's host, whose consumer is the carrier, and the ring itself, whose producer is.

// Memory returns the ring's data, once: what a remote producer writes into, or is sent from. It is there until the side is closed. It is nil
// if it is not mapped twice: then it is Go's heap, which no adapter is told of, and what reaches the ring's end goes on elsewhere than a mirror's does.
func (p *Producer) Memory() []byte {
	capacity := p.setup.Config.Capacity
	if len(p.batch.Data) != 2*capacity {
		return nil
	}
	return p.batch.Data[:capacity:capacity]
}

// Advance commits what has been written into Memory by another, up to the cursor to: records in all. It looks at the cursor only, for what the
// producer of a ring has written its consumer checks. ErrCorrupt if it is none or leaves the room that there is. No claim or batch may be open.
func (p *Producer) Advance(to, records uint64) error {
	if err := p.begin(); err != nil {
		return err
	}
	defer p.exit()
	run := &p.batch.Run
	if to < run.At || to%fabric.HeaderBytes != 0 || to-p.acked > uint64(p.setup.Config.Capacity) {
		if err := p.refresh(); err != nil {
			return err
		}
		if to < run.At || to%fabric.HeaderBytes != 0 || to-p.acked > uint64(p.setup.Config.Capacity) {
			return fmt.Errorf("%w: the remote producer's cursor is %d after %d, with %d bytes acked and a ring of %d",
				fabric.ErrCorrupt, to, run.At, p.acked, p.setup.Config.Capacity)
		}
	}
	run.At, run.Limit, run.Count = to, to, records
	return nil
}

// LoseProducer ends a mirror's producer for a reason for which fabric.Lost reports true, and wakes it. Any goroutine that knows
// the side is not closed, or whose Event does not mind.
func LoseProducer(p *Producer, reason error) {
	p.lost.CompareAndSwap(nil, &loss{err: reason})
	p.setup.Own.Signal()
}

// Carried has the mirror's words say that its consumer sleeps, and orders what it is to see by itself: then whatever is published rings the
// producer's Setup.Peer, once until Carried is called again.
func (w *ConsumerWords) Carried() {
	w.Orders.Store(1)
	w.Waiting.Store(w.Waiting.Load()&^kinds + nextLook | InPoller)
}

// PutResume, PutStable and PutWant write what the consumer of the ring said into its mirror. One goroutine, which then signals the
// producer's Event. PutResume reports whether it was the first time.
func (w *ConsumerWords) PutResume(generation uint64, note []byte) bool {
	if w.Resume.Load() != 0 {
		return false
	}
	w.ResumeNote.write(generation, 1, note)
	w.Resume.Store(1)
	return true
}

// PutStable writes the latest stable note. See PutResume.
func (w *ConsumerWords) PutStable(generation uint64, note []byte) {
	number := w.Stable.Load() + 1
	w.StableNotes[number%2].write(generation, number, note)
	w.Stable.Store(number)
}

// PutWant writes that the consumer wants to move here. See PutResume.
func (w *ConsumerWords) PutWant() { w.Want.Store(1) }

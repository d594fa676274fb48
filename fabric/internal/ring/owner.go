package ring

import (
	"errors"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/step"
	"github.com/grafnode/grafnode/lease"
)

// Owner is the owning node's hold on a ring. Seal and SetDeadline must not run beside each other.
type Owner struct {
	Control  *Control       // ours
	Producer *ProducerWords // read only
	Consumer *ConsumerWords // read only
	Signal   func()         // wakes both sides
}

// Seal is fabric's Seal. A deadline that has passed is the first seal.
func (o Owner) Seal(reason error) {
	v := sealed
	switch {
	case passedNow(lease.Instant(o.Control.Deadline.Load())), errors.Is(reason, fabric.ErrLeaseExpired):
		v = expired
	case errors.Is(reason, fabric.ErrRevoked):
		v = revoked
	}
	step.At("seal")
	o.Control.Sealed.CompareAndSwap(uint32(open), uint32(v))
	step.At("seal/set")
	o.Signal()
}

// SetDeadline is fabric's SetDeadline. The clock is looked at after the store as well: a side may have seen the old deadline
// pass meanwhile, and then it has passed for both.
func (o Owner) SetDeadline(d lease.Instant) {
	if o.Over() != nil {
		return
	}
	old := lease.Instant(o.Control.Deadline.Swap(int64(d)))
	if passedNow(old) {
		o.Seal(fabric.ErrLeaseExpired)
		return
	}
	if d != 0 && (old == 0 || d < old) {
		o.Signal() // who waits has set the clock for the old one
	}
}

// Over returns why the ring is over, nil if it is not.
func (o Owner) Over() error {
	if err := Verdict(o.Control.Sealed.Load()).err(); err != nil {
		return err
	}
	if passedNow(lease.Instant(o.Control.Deadline.Load())) {
		return fabric.ErrLeaseExpired
	}
	return nil
}

// Usage is fabric's Usage. What the sides claim is reported as it stands, but never more bytes than there are.
func (o Owner) Usage(capacity int) fabric.Usage {
	u := fabric.Usage{Acked: o.Consumer.Count.Load()}
	acked := o.Consumer.Acked.Load()
	u.Committed = o.Producer.Count.Load()
	if used := o.Producer.Tail.Load() - acked; used <= uint64(capacity) {
		u.Bytes = int(used)
	} else {
		u.Bytes = capacity
	}
	return u
}

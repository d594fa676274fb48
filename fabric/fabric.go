package fabric

import (
	"context"
	"fmt"
	"math/bits"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Limits.
const (
	// CapacityMin and CapacityMax bound a ring's data, in bytes. A capacity is a power of two.
	CapacityMin = 1 << 16
	CapacityMax = 1 << 30
	// NoteBytesMax bounds the resume and stable notes.
	NoteBytesMax = 4000
	// RecordOverhead bounds what a record takes in the ring beside its own bytes.
	RecordOverhead = 16
)

// RecordMax is the largest record, in bytes, that a ring of the given capacity takes: a quarter of the ring.
func RecordMax(capacity int) int { return capacity/4 - RecordOverhead }

// Role is a side of a ring.
type Role string

// The two roles.
const (
	RoleProducer Role = "producer"
	RoleConsumer Role = "consumer"
)

// Config describes a new arena.
type Config struct {
	Arena      locator.ArenaID
	Edge       string
	Generation fence.Epoch   // not zero; stands in the header before anybody attaches
	Capacity   int           // bytes of data, a power of two
	Deadline   lease.Instant // when the lease ends unless renewed, on CLOCK_BOOTTIME of the owning host; zero: never
}

// Validate reports what is wrong with c.
func (c Config) Validate() error {
	switch {
	case c.Arena == "" || c.Edge == "":
		return fmt.Errorf("fabric: arena %q of edge %q: both need a name", c.Arena, c.Edge)
	case c.Generation.IsZero():
		return fmt.Errorf("fabric: arena %s of edge %s: no generation", c.Arena, c.Edge)
	case c.Capacity < CapacityMin || c.Capacity > CapacityMax || bits.OnesCount(uint(c.Capacity)) != 1:
		return fmt.Errorf("fabric: capacity %d: must be a power of two from %d to %d", c.Capacity, CapacityMin, CapacityMax)
	}
	return nil
}

// Arena is a ring as its owning node sees it. All methods are safe for concurrent use.
type Arena interface {
	Config() Config

	// Producer and Consumer open a side in this process, on behalf of a remote holder or of a pipeline in one process.
	// Each side of an arena is opened once in its life, here or elsewhere; afterwards they return ErrTaken. They do not
	// wait for the other side.
	Producer() (Producer, error)
	Consumer() (Consumer, error)

	// SetDeadline moves the lease's end. Both sides treat a passed deadline as a seal (ErrLeaseExpired) without being told.
	// A deadline that was passed once, or an arena that is sealed, stays so.
	SetDeadline(d lease.Instant)

	// Seal ends the ring for both sides: no record is committed afterwards by a side that looks, intact ones may still be
	// read, and every call that would write returns reason, one of ErrSealed, ErrLeaseExpired, ErrRevoked. The first seal
	// stands. A writer between its look and its commit is not stopped: fresh memory does that (protocol rule 18).
	Seal(reason error)

	// Usage reports what is in the ring now and what went through it.
	Usage() Usage

	// Close seals the ring if need be and gives the owner's hold on the memory back. Sides that are still mapped elsewhere
	// keep theirs. Idempotent.
	Close() error
}

// Usage is a reading of a ring's counters; the three are read one after the other.
type Usage struct {
	Committed uint64 // records ever published by the producer
	Acked     uint64 // records ever acknowledged by the consumer
	Bytes     int    // bytes in use of the capacity
}

// Producer is the writing side of a ring. One goroutine at a time may be in its calls, except that one other may be in Wait
// meanwhile, and any in Close. After any error for which Lost reports true, all calls but Close return such an error. That the ring is
// over is noticed by the calls that write and by Wait; Resume, Stable and MoveWanted need not look, and report it from then on.
type Producer interface {
	Generation() fence.Epoch

	// Claim reserves n contiguous bytes for the next record and returns them for the caller to fill. The slice belongs to
	// the caller until Commit or Abort, and must not be used afterwards. One claim may be open at a time. Never blocks:
	// ErrFull if there is no room now, ErrTooLarge if there can never be.
	Claim(n int) ([]byte, error)
	// Commit makes the claimed bytes the next record. It becomes visible to the consumer at the next Flush, or earlier: a ring
	// has no clock, so whoever commits owes a Flush (or a Batch its End) within the time that it promises to others.
	Commit() error
	// Abort gives the claim back as if it had never been.
	Abort()
	// Flush publishes what is committed and wakes a waiting consumer.
	Flush() error
	// Begin lends the ring's end to a Batch, for records at the price of writing them. The side's memory stays while it is
	// open, whoever calls Close. Until Batch.End, Claim, Commit and Begin fail; the other calls go on. One goroutine at a time
	// may be in the Batch's calls and the Producer's together, with the exceptions above.
	Begin() (*Batch, error)

	// Resume returns the consumer's resume note, and false while there is none. The slice belongs to the caller.
	Resume() (note []byte, ok bool, err error)
	// Stable returns the consumer's latest stable note, and false if it has not changed since the last call that
	// returned true. The slice belongs to the caller.
	Stable() (note []byte, ok bool, err error)

	// Activate tells the consumer that this ring, a spare until now, is the edge's: protocol rule 14. It is never taken back; to say
	// it again changes nothing.
	Activate() error
	// MoveWanted reports whether the consumer wants to move to this ring. Once it does it always does.
	MoveWanted() (bool, error)

	// Wait blocks until room, a note or a loss that the other calls have not reported yet may be there to report, or, once, what
	// MoveWanted reports; it may also return early for no reason. It returns nil then, and ctx's cause if ctx ends first. What it costs
	// meanwhile is the Mode's to say: an idle Wait uses no CPU, but in LowLatency.
	Wait(ctx context.Context) error
	// SetMode says how this side's waits wait from now on. Balanced until then. Any goroutine.
	SetMode(m Mode)

	// Close detaches. What is flushed stays readable. Idempotent, safe to call beside any other call, which then
	// returns ErrClosed.
	Close() error
}

// Consumer is the reading side of a ring. The rules of Producer for goroutines and loss hold here too (so Ack may be called
// while another goroutine is in Wait), except that intact records remain readable after the ring is sealed: Next returns
// them first, and then the reason.
type Consumer interface {
	Generation() fence.Epoch

	// SetResume writes the resume note, at most NoteBytesMax bytes, copied. Once only; before it the producer sends nothing.
	SetResume(note []byte) error
	// Next returns the next record, or ErrEmpty. Never blocks. The slice is read-only and valid until Ack covers the record
	// or the Consumer is closed.
	Next() ([]byte, error)
	// Drain calls f with the next records, one after the other, until there are no more, limit of them or an eighth of the ring
	// are read, or f returns an error. It returns how many f took: those count as returned by Next, and the one that f refused is
	// still the next. The error is f's, or, if there was no record, what Next would say. Never blocks but for f. The slice is
	// read-only and must not be used after f has returned, even though the record keeps its space until Ack: built with the tag
	// fabricdebug it is overwritten then. f must not call this Consumer, but for Close.
	Drain(limit int, f func(record []byte) error) (int, error)
	// Ack tells the producer that the first n records of this ring are done with, which frees their space, and sets
	// the stable note (nil leaves it), at most NoteBytesMax bytes, copied. n never falls and never passes what Next returned.
	// The producer is told of a note at once. Of space it may be told later, but not later than when an eighth of the ring is
	// due, when Next or Drain find no record, or while this side waits. An Ack costs more than a record does, so one for many is
	// better.
	Ack(n uint64, stable []byte) error

	// Active reports whether the producer has said Activate. Once it has it always has.
	Active() (bool, error)
	// WantMove tells the producer of a spare that this side wants to move to it: protocol rule 17. It is never taken back; to say it
	// again changes nothing.
	WantMove() error

	// Wait blocks until Next may have something new to say; for Active it returns once. See Producer.Wait.
	Wait(ctx context.Context) error
	// SetMode is Producer.SetMode.
	SetMode(m Mode)
	// Close detaches. Idempotent, safe to call beside any other call, which then returns ErrClosed.
	Close() error
}

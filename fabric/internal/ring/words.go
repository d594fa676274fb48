package ring

import (
	"fmt"
	"structs"
	"sync/atomic"

	"github.com/grafnode/grafnode/fabric"
)

// Each group of words that one party writes lies 128 bytes from the next: two cache lines, because processors fetch them in
// pairs. The sizes are asserted in words_test.go and by whoever lays them over memory.
const lineBytes = 128

// Control is what the owner tells both sides.
//
//	offset  bytes
//	     0      8  deadline: CLOCK_BOOTTIME in ns, zero is never
//	     8      4  sealed: a Verdict
//	    12      4  bell: a futex, see fabric/shm
type Control struct {
	_        structs.HostLayout
	Deadline atomic.Int64  // stored by Owner.SetDeadline, loaded by side.verdict
	Sealed   atomic.Uint32 // stored by Owner.Seal, loaded by side.verdict
	Bell     atomic.Uint32 // added to by the owner's Signal, loaded by a Park
	_        [lineBytes - 16]byte
}

// ProducerWords are the producer's, beside the data.
//
//	offset  bytes
//	     0      8  tail: bytes ever published
//	   128      8  waiting: see event.go
//	   136      4  bell: a futex, see fabric/shm
//	   140      4  orders: 1 if this side needs no fence between publishing and the look at waiting, see side.fenceFor
//	   256      8  count: records ever published; not beside tail, which the consumer may be looking at without pause
//	   384      8  held: one more than the tail behind which something is committed and not published; zero is never
//	   512      8  active: 1 once this ring, a spare until then, is the edge's
type ProducerWords struct {
	_       structs.HostLayout
	Tail    atomic.Uint64 // stored by Producer.publish, loaded by Consumer.refresh
	_       [lineBytes - 8]byte
	Waiting atomic.Uint64 // stored by the producer's wait, loaded by the consumer's wakePeer
	Bell    atomic.Uint32 // added to by the producer's Ring, loaded by the consumer's Park
	Orders  atomic.Uint32 // stored by NewProducer, loaded by the consumer's fenceFor
	_       [lineBytes - 16]byte
	Count   atomic.Uint64 // stored by Producer.publish, loaded by Owner.Usage
	_       [lineBytes - 8]byte
	Held    atomic.Uint64 // stored by Producer.Hold, loaded by Consumer.ask
	_       [lineBytes - 8]byte
	Active  atomic.Uint64 // stored by Producer.Activate, loaded by Consumer.Active
	_       [lineBytes - 8]byte
}

// ConsumerWords are the consumer's.
//
//	offset  bytes
//	     0      8  acked: bytes ever freed
//	     8      8  stable: number of the latest stable note, zero is none; it lies in slot stable%2
//	    16      8  resume: 1 once the resume note is there
//	    24      8  count: records ever acknowledged
//	    64      8  hungry: one more than the producer's tail at which nothing was found; zero is a consumer that does not say
//	   128      8  waiting: see event.go
//	   136      4  bell: a futex, see fabric/shm
//	   140      4  orders: 1 if this side needs no fence between publishing and the look at waiting, see side.fenceFor
//	   256   4008  resume note
//	  4264   8016  stable notes
//	 12280      8  want: 1 once the consumer wants to move to this ring, a spare; nothing else on its line changes but with long notes
type ConsumerWords struct {
	_           structs.HostLayout
	Acked       atomic.Uint64 // stored by Consumer.Ack, loaded by Producer.refresh
	Stable      atomic.Uint64 // stored by Consumer.Ack, loaded by Producer.Stable
	Resume      atomic.Uint64 // stored by Consumer.SetResume, loaded by Producer.Resume
	Count       atomic.Uint64 // stored by Consumer.Ack, loaded by Owner.Usage
	_           [lineBytes/2 - 32]byte
	Hungry      atomic.Uint64 // stored by Consumer.ask, loaded by Producer.Hold
	_           [lineBytes/2 - 8]byte
	Waiting     atomic.Uint64 // stored by the consumer's wait, loaded by the producer's wakePeer
	Bell        atomic.Uint32 // added to by the consumer's Ring, loaded by the producer's Park
	Orders      atomic.Uint32 // stored by NewConsumer, loaded by the producer's fenceFor
	_           [lineBytes - 16]byte
	ResumeNote  Note
	StableNotes [2]Note
	Want        atomic.Uint64 // stored by Consumer.WantMove, loaded by Producer.MoveWanted
}

// Sizes of the words in bytes.
const (
	ControlBytes       = lineBytes
	ProducerWordsBytes = 5 * lineBytes
	ConsumerWordsBytes = 3 * 4096
)

// Verdict is why a ring is over.
type Verdict uint32

// The verdicts. Zero is a ring in use.
const (
	open Verdict = iota
	sealed
	expired
	revoked
)

// err returns the error of a verdict, nil for a ring in use.
func (v Verdict) err() error {
	switch v {
	case open:
		return nil
	case sealed:
		return fabric.ErrSealed
	case expired:
		return fabric.ErrLeaseExpired
	case revoked:
		return fabric.ErrRevoked
	}
	return fmt.Errorf("%w: the owner's sealed word is %d", fabric.ErrCorrupt, uint32(v))
}

// DataBytes is how long the data must be for a ring on memory that cannot be mapped twice: the largest record may begin at
// the last place of the ring, and runs on behind it.
func DataBytes(capacity int) int {
	return capacity + fabric.RecordMax(capacity) + fabric.RecordOverhead
}

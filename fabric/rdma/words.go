package rdma

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/grafnode/grafnode/fabric"
)

// producerWords lie at the owner, one for each receive there, and the remote producer writes them with each of its messages, those of message n, from zero, to
// slot n modulo ownerReceives: so none is written again before the owner has posted another receive for the message that it came with. The message's immediate is the
// ring's cursor in units of 8 bytes, its low 32 bits.
//
//	offset  bytes
//	     0      8  records: committed, and landed with this message
//	     8      8  short: the cursor up to which it waits to write; zero: it does not
//	    16      8  receives: ever posted at its end, each of which one message of the owner's takes
//
// An owner's message writes nothing, since the producer would look at it at any time. It is an immediate:
//
//	bits
//	 0 to  2  grants: of grantEach receives each, posted at the owner's end beyond the first ownerReceives, the low 3 bits. No more than
//	          ownerReceives/grantEach of them can be new to who takes completions
//	 3 to 31  the cursor that the consumer has acked, in units of 8 bytes, its low 29 bits. No more than a ring can be new
type producerWords struct {
	_        structs.HostLayout
	records  atomic.Uint64 // partner of all: the adapter, written before the completion that has Incoming load it
	short    atomic.Uint64
	receives atomic.Uint64
}

const (
	wordsBytes = 24
	slotsBytes = ownerReceives * wordsBytes
	grantBits  = 3
	ackedBits  = 32 - grantBits
)

var (
	_ [1<<grantBits - 1 - ownerReceives/grantEach]byte
	_ [1<<ackedBits - 1 - fabric.CapacityMax>>3]byte
	_ [4096 - slotsBytes]byte // they lie in one page
)

type slots [ownerReceives]producerWords

var _ [wordsBytes]byte = [unsafe.Sizeof(producerWords{})]byte{}

// How much is posted at once. The owner's messages are one for each eighth of the ring that has been freed or claim that has found room, and one for
// every grantEach.
const (
	writesMax       = 64
	signalEach      = writesMax / 4 // of these one at least says that it is done
	ownerReceives   = 128
	remoteReceives  = 16
	grantEach       = ownerReceives / 4
	remoteGrantEach = remoteReceives / 2
	messageMax      = writesMax - signalEach // writes of a producer's message: while it waits for room, one is under way that says that it is done
	inlineMax       = 32
	completionsMax  = 32 // of one Poll
)

// messageWrites is how many writes of at most writeMax bytes a producer's message takes at most: the records, of which the ring's end may lie
// between any two bytes, and the words.
func messageWrites(capacity, writeMax uint64) int { return int((capacity-2)/writeMax) + 2 + 1 }

// extend returns the count whose lowest bits are low, next after last.
func extend(last uint64, low uint32, bits int) uint64 {
	return last + uint64(low-uint32(last))&(1<<bits-1)
}

// saying returns an owner's message, and said what one says, next after what the last one did.
func saying(acked, grants uint64) uint32 {
	return uint32(acked>>3)<<grantBits | uint32(grants)&(1<<grantBits-1)
}

func said(imm uint32, acked, grants uint64) (uint64, uint64) {
	return extend(acked>>3, imm>>grantBits, ackedBits) << 3, extend(grants, imm, grantBits)
}

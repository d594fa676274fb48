package rdma

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

// producerWords lie at the owner, and the remote producer writes them with each of its messages: an immediate, which is the ring's
// cursor behind what has been written, in units of 8 bytes, its low 32 bits.
//
//	offset  bytes
//	     0      8  records: ever written
//	     8      8  short: the cursor up to which it waits to write; zero: it does not
//	    16      8  receives: ever posted at its end, each of which one message of the owner's takes
//
// The owner's message is the cursor that the consumer has acked, 8 bytes, written into the mirror where ring.Producer looks for it. If it is
// to be heard it has an immediate: the receives ever posted at the owner's end, the low 32 bits.
type producerWords struct {
	_        structs.HostLayout
	records  atomic.Uint64 // partner of all: the adapter, written before the completion that has Incoming load it
	short    atomic.Uint64
	receives atomic.Uint64
}

const (
	wordsBytes  = 24
	creditBytes = 8
)

var _ [wordsBytes]byte = [unsafe.Sizeof(producerWords{})]byte{}

// How much is posted at once. The owner's messages answer the producer's: to each at most one that tells of room, and one for every grantEach
// that tells of receives.
const (
	writesMax       = 64
	ownerReceives   = 128
	remoteReceives  = 16
	grantEach       = ownerReceives / 4
	remoteGrantEach = remoteReceives / 2
	messageWrites   = 3 // what a producer's message takes: two pieces of the ring, and the words
	inlineMax       = 32
	completionsMax  = 32 // of one Poll
)

// extend returns the count of which low is the low half, next after last.
func extend(last uint64, low uint32) uint64 { return last + uint64(low-uint32(last)) }

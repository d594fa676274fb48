package verbs

import "time"

// Provider is a host's adapters.
type Provider interface {
	// Ports lists the addresses by which active ports can be reached, the best of each port first (RoCE v2 before v1). No adapter: an
	// empty list. An error says what keeps this process from using them (fabric.ErrUnsupported: this build or host knows none).
	Ports() ([]Port, error)
	// Open opens the adapter of a port. What it returns is shared by all rings that use that port.
	Open(p Port) (Device, error)
}

// Port is one address of one port of one adapter.
type Port struct {
	Device   string // as the kernel names it: mlx5_0, rxe0
	Number   uint8  // of the port, from 1
	GIDAt    int    // index of the GID in the port's table
	GID      GID
	MTU      int    // bytes: the active one
	WriteMax uint64 // bytes of one write, at most
	Net      string // the network interface that stands behind it (RoCE), or empty
}

// GID is a port's address: an IPv6 address, an IPv4 address mapped into one, or InfiniBand's own.
type GID [16]byte

// Device is an open adapter. Safe for concurrent use.
type Device interface {
	Port() Port
	Limits() Limits
	// NewPair returns a queue pair that is not connected, with room for so many posted writes and receives. Its completion queue
	// has room for the completions of all of them: it cannot overflow.
	NewPair(r Room) (Pair, error)
	// Event blocks until the adapter says something of itself, in Go's netpoller, or cannot any more: that is an error, as after Close. For one
	// goroutine.
	Event() (Event, error)
	// Close gives the adapter back. All pairs must be closed before.
	Close() error
}

// Event is what an adapter says of itself.
type Event struct {
	Kind   EventKind
	Number uint32 // of the port or pair that it is about
	What   string // in the library's words
}

// EventKind is how far an Event reaches.
type EventKind uint8

// The kinds.
const (
	PortUp EventKind = iota
	PortDown
	PortChanged // its addresses, or what manages its network
	PairBroken  // of no use any more, though no completion may say so
	DeviceLost  // nor are all of its pairs
)

// Limits are an adapter's.
type Limits struct {
	Writes   int // posted at once, on a pair
	Receives int // likewise
}

// Room is how much a pair is to have room for.
type Room struct {
	Writes   int // posted and not completed; an unsignalled one counts until a later signalled one has completed
	Receives int // posted and not completed
	Inline   int // bytes, at most, of an inline write
}

// Pair is one end of a reliable connection, with the memory registered for it. One goroutine at a time may be in Post, and beside it one in
// PostReceives, Poll and Wait, and one in Register and Region.Close; Fail and Wake are for any goroutine at any time; Close when no
// other call than those is under way.
type Pair interface {
	// Local is what the other end's Connect wants to know.
	Local() Address

	// Register pins mem for the adapter and allows what a says. mem is never Go heap memory: it is a mapping, and stays until the
	// region is closed. Pages are counted against the locked-memory limit (RLIMIT_MEMLOCK).
	Register(mem []byte, a Access) (Region, error)

	// Connect takes the pair to where it sends and receives (INIT, RTR, RTS). Receives should be posted before it, so that the other end's
	// first write finds one. Once only.
	Connect(peer Address, r Retry) error

	// Post posts all of ws in order, in one crossing, with one doorbell; after an error the pair is of no use any more. The memory
	// of a write must stay as it is until the write, or a later signalled one, has completed. It never blocks: the caller counts and
	// never posts more than there is room for.
	Post(ws []Write) error
	// PostReceives posts n receives without memory: each takes one write with an immediate.
	PostReceives(n int) error

	// Poll fills into with completions, and returns how many there were. If there were none it has asked for an event, looked once more
	// and still found none, all in one crossing: then Wait returns once there may be some.
	Poll(into []Completion) (int, error)
	// Wait blocks until there is an event that Poll has asked for, or Wake has been called since Wait last returned. It waits for the completion
	// channel's descriptor in Go's netpoller, and takes no thread.
	Wait() error
	// Wake makes Wait return.
	Wake()

	// Fail takes the pair into the error state: nothing that the other end sends lands any more when it returns, and what is posted completes with
	// StatusFlushed. Idempotent.
	Fail() error
	// Close destroys the pair and all of its regions. Idempotent.
	Close() error
}

// Address is where a pair is found.
type Address struct {
	GID    GID    `json:"gid"`
	Number uint32 `json:"qp"`  // of the queue pair
	First  uint32 `json:"psn"` // number of the first packet that it sends, 24 bits, chosen at random
	LID    uint16 `json:"lid,omitempty"`
	MTU    int    `json:"mtu"` // bytes, the port's; the smaller of both counts
}

// Access is what a region allows besides being read by its own pair's writes.
type Access uint8

// RemoteWrite allows the other end to write; it implies that the adapter may write locally.
const RemoteWrite Access = 1

// Region is registered memory.
type Region interface {
	// LocalKey names the region in this pair's own writes.
	LocalKey() uint32
	// Remote is what the other end needs to write here.
	Remote() Remote
	// Close deregisters: a write of the other end that comes later fails at its end with StatusRemoteAccess, and breaks the connection.
	// When it returns the adapter does not touch the memory any more. Idempotent.
	Close() error
}

// Remote names a region to the other end.
type Remote struct {
	At    uint64 `json:"at"` // address of its first byte
	Bytes uint64 `json:"bytes"`
	Key   uint32 `json:"key"`
}

// Retry says how long a pair tries before it gives up. All are finite: an end that retries for ever cannot be told from one that works.
type Retry struct {
	AckTimeout time.Duration // for an answer of the other end; rounded up to what the adapter can
	Count      int           // of repetitions without an answer, 0 to 6 (7 is for ever with some adapters, and is refused)
	NotReady   int           // of repetitions where no receive is posted, 0 to 6 (7 would be for ever, and is refused)
	Pause      time.Duration // which the other end asks for when none is posted
}

// Write is a posted write into the other end's memory.
type Write struct {
	ID    uint64
	Local []byte // what to write: in a region of this pair, or, if Inline, anywhere. It may be empty
	Key   uint32 // LocalKey of that region; of no meaning if Inline
	To    uint64 // the address at the other end
	RKey  uint32 // Remote.Key of the region there

	Inline   bool   // Local is copied when it is posted
	Signaled bool   // it completes even if it succeeds; one that fails always does
	WithImm  bool   // it takes a receive at the other end, whose completion has Imm, once this and all earlier writes have landed
	Imm      uint32 // in the host's byte order
}

// Kind is what a completion is of.
type Kind uint8

// The kinds. Of a completion whose Status is not StatusOK it may be wrong for who does not know the ID.
const (
	Wrote    Kind = iota // a write of this end
	Received             // a receive, taken by a write with an immediate
)

// Status is how a request ended.
type Status uint8

// The statuses.
const (
	StatusOK           Status = iota
	StatusFlushed             // the pair was in the error state
	StatusRemoteAccess        // the other end has no such region, or does not allow that
	StatusRetries             // the other end has not answered
	StatusNotReady            // the other end had no receive posted
	StatusOther               // see Code
)

func (s Status) String() string {
	switch s {
	case StatusOK:
		return "success"
	case StatusFlushed:
		return "flushed: the queue pair is in the error state"
	case StatusRemoteAccess:
		return "remote access error"
	case StatusRetries:
		return "no answer, retries exceeded"
	case StatusNotReady:
		return "no receive posted at the other end, retries exceeded"
	}
	return "other error"
}

// Completion says that a write, and all earlier ones, or a receive is done.
type Completion struct {
	ID     uint64 // of the write; of receives zero
	Kind   Kind
	Status Status
	Code   uint32 // what the library calls the status, for messages
	Imm    uint32 // of a receive
	HasImm bool   // a receive had one
}

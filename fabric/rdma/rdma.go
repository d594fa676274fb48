package rdma

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
	"github.com/grafnode/grafnode/fabric/tcp"
)

// Config says how a process uses its adapter.
type Config struct {
	Provider verbs.Provider // the host's adapters: ibverbs.New()
	Port     verbs.Port     // one of Provider.Ports()
	Retry    verbs.Retry    // zero: RetryDefault
	Choice   Choice         // which edges
	Logger   *slog.Logger   // nil: none
}

// RetryDefault gives an end up that has not answered for about a second. Who lives is for the connection to say, and it is sooner.
var RetryDefault = verbs.Retry{AckTimeout: 67 * time.Millisecond, Count: 6, NotReady: 6, Pause: 10 * time.Millisecond}

// Fabric is a process's use of one port of an adapter. It implements tcp.Direct: for remote producers, as Attach.Direct, and for the owners of
// rings, as Server.Direct. Safe for concurrent use.
type Fabric struct {
	config Config
	device verbs.Device
	counts counts

	mu     sync.Mutex
	pairs  int // open
	closed bool
}

var _ tcp.Direct = (*Fabric)(nil)

// Open opens the adapter. fabric.ErrUnsupported if this build knows none.
func Open(c Config) (*Fabric, error) {
	if c.Provider == nil {
		return nil, fmt.Errorf("rdma: no provider: %w", fabric.ErrUnsupported)
	}
	if c.Retry == (verbs.Retry{}) {
		c.Retry = RetryDefault
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	device, err := c.Provider.Open(c.Port)
	if err != nil {
		return nil, fmt.Errorf("rdma: open %s, port %d: %w", c.Port.Device, c.Port.Number, err)
	}
	if l := device.Limits(); l.Writes < writesMax || l.Receives < ownerReceives {
		return nil, errors.Join(fmt.Errorf("rdma: %s takes %d writes and %d receives at once, want %d and %d: %w",
			c.Port.Device, l.Writes, l.Receives, writesMax, ownerReceives, fabric.ErrUnsupported), device.Close())
	}
	return &Fabric{config: c, device: device}, nil
}

// Close gives the adapter back, as soon as all rings have let go of it. No ring gets a way afterwards. Idempotent.
func (f *Fabric) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	if f.pairs > 0 {
		return nil
	}
	return f.device.Close()
}

// Network returns where the adapter is reached, for others to know whether they can.
func (f *Fabric) Network() netip.Prefix { return Network(f.config.Port) }

// newPair returns a pair with receives posted.
func (f *Fabric) newPair(receives int) (verbs.Pair, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, fabric.ErrClosed
	}
	pair, err := f.device.NewPair(verbs.Room{Writes: writesMax, Receives: receives, Inline: inlineMax})
	if err != nil {
		return nil, fmt.Errorf("rdma: queue pair: %w", err)
	}
	f.pairs++
	f.counts.ways.Add(1)
	return pair, nil
}

// closePair gives a pair back, and with it its regions.
func (f *Fabric) closePair(pair verbs.Pair) {
	err := pair.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pairs--; f.pairs == 0 && f.closed {
		err = errors.Join(err, f.device.Close())
	}
	if err != nil {
		f.config.Logger.Error("an RDMA queue pair cannot be closed", "device", f.config.Port.Device, "error", err)
	}
}

// Fallback implements tcp.Direct.
func (f *Fabric) Fallback(side string, why error) {
	f.counts.fallbacks.Add(1)
	f.config.Logger.Warn("a ring goes by TCP that might have gone by RDMA", "side", side, "device", f.config.Port.Device, "reason", why)
}

// Stats are a Fabric's counts since it was opened. Per record they say what the way costs: no figure of time does, where the adapter is emulated.
type Stats struct {
	Ways        uint64 // begun, at this end
	Fallbacks   uint64 // rings that went by TCP though there was an adapter
	Crossings   uint64 // calls out of Go while data flows: posts, polls, and receives posted
	Posts       uint64 // of writes, one or more each
	Writes      uint64
	Bytes       uint64 // of records, in writes
	WordBytes   uint64 // of all else in writes: cursors and counts, which are copied when they are posted. Records never are
	Polls       uint64
	Completions uint64
	Messages    uint64 // completions of receives: writes of the other end that came with an immediate
}

type counts struct {
	ways, fallbacks, crossings, posts, writes, bytes, wordBytes, polls, completions, messages atomic.Uint64
}

// Stats returns the counts, which are read one after the other.
func (f *Fabric) Stats() Stats {
	c := &f.counts
	return Stats{
		Ways: c.ways.Load(), Fallbacks: c.fallbacks.Load(), Crossings: c.crossings.Load(), Posts: c.posts.Load(), Writes: c.writes.Load(),
		Bytes: c.bytes.Load(), WordBytes: c.wordBytes.Load(), Polls: c.polls.Load(), Completions: c.completions.Load(), Messages: c.messages.Load(),
	}
}

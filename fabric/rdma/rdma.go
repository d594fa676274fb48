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

// Fabric is a process's use of one port of an adapter, which is opened again when it was lost. It implements tcp.Direct: for remote producers, as Attach.Direct, and for the owners of
// rings, as Server.Direct. Safe for concurrent use.
type Fabric struct {
	config Config
	counts counts

	mu        sync.Mutex
	adapter   *adapter  // the last that was opened
	tried     time.Time // when it was lost, or opening it again has failed
	told      bool      // that this has failed
	unreached map[netip.Addr]time.Time
	closed    bool // no queue is opened any more
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
	f := &Fabric{config: c, unreached: map[netip.Addr]time.Time{}}
	a, err := f.openPort(c.Port)
	if err != nil {
		return nil, err
	}
	f.adapter = a
	return f, nil
}

// Close gives the adapter back, as soon as all rings have let go of it. No ring gets a way afterwards. Idempotent.
func (f *Fabric) Close() error {
	f.mu.Lock()
	f.closed = true
	last := f.adapter
	f.mu.Unlock()
	return f.end(last)
}

// Network returns where the adapter is reached, for others to know whether they can.
func (f *Fabric) Network() netip.Prefix { return Network(f.config.Port) }

// open makes q a queue with room for so many receives.
func (f *Fabric) open(q *queue, receives int) error {
	if err := f.usable(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return fabric.ErrClosed
	}
	pair, err := f.adapter.device.NewPair(verbs.Room{Writes: writesMax, Receives: receives, Inline: inlineMax})
	if err != nil {
		return fmt.Errorf("rdma: queue pair: %w", err)
	}
	q.f, q.on, q.pair = f, f.adapter, pair
	q.on.queues[pair.Local().Number] = q
	f.counts.ways.Add(1)
	return nil
}

// release closes q's pair, and with it its regions.
func (f *Fabric) release(q *queue) {
	number := q.pair.Local().Number
	err := q.pair.Close()
	f.mu.Lock()
	delete(q.on.queues, number)
	f.mu.Unlock()
	if err = errors.Join(err, f.end(q.on)); err != nil {
		f.config.Logger.Error("an RDMA queue pair cannot be closed", "device", q.on.port.Device, "error", err)
	}
}

// Fallback implements tcp.Direct. That the other end wants no way is no failure, unless this one is to have nothing else.
func (f *Fabric) Fallback(edge, side string, why error) {
	if errors.Is(why, tcp.ErrDeclined) && f.config.Choice.For(edge) != RDMA {
		f.config.Logger.Debug("a ring goes by TCP", "side", side, "device", f.config.Port.Device, "reason", why)
		return
	}
	if unreached := (*unreachedError)(nil); errors.As(why, &unreached) {
		f.avoid(unreached.at)
	}
	f.counts.fallbacks.Add(1)
	f.config.Logger.Warn("a ring goes by TCP that might have gone by RDMA", "side", side, "device", f.config.Port.Device, "reason", why)
}

// Stats are a Fabric's counts since it was opened. Per record they say what the way costs: no figure of time does, where the adapter is emulated.
type Stats struct {
	Ways        uint64 // begun, at this end
	Fallbacks   uint64 // rings that went by TCP though there was an adapter
	Refused     uint64 // ways that ended because the other end's adapter refused a write
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
	ways, fallbacks, refused, crossings, posts, writes, bytes, wordBytes, polls, completions, messages atomic.Uint64
}

// Stats returns the counts, which are read one after the other.
func (f *Fabric) Stats() Stats {
	c := &f.counts
	return Stats{
		Ways: c.ways.Load(), Fallbacks: c.fallbacks.Load(), Refused: c.refused.Load(), Crossings: c.crossings.Load(), Posts: c.posts.Load(), Writes: c.writes.Load(),
		Bytes: c.bytes.Load(), WordBytes: c.wordBytes.Load(), Polls: c.polls.Load(), Completions: c.completions.Load(), Messages: c.messages.Load(),
	}
}

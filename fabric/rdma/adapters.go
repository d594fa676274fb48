package rdma

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/fence"
)

// Adapters are those of a process that has producers of rings elsewhere. One is opened when there is first use for it. Safe for concurrent use.
type Adapters struct {
	provider verbs.Provider
	choice   Choice
	log      *slog.Logger

	mu     sync.Mutex
	opened map[netip.Prefix]opened // by network
	closed bool
}

// opened is what has come of opening the port in a network.
type opened struct {
	f    *Fabric   // nil: there is none, or it does not work
	why  error     // in that case
	at   time.Time // when that was found
	told bool      // in the log
}

// NewAdapters returns those of provider, which may be nil: there are none.
func NewAdapters(provider verbs.Provider, choice Choice, log *slog.Logger) *Adapters {
	return &Adapters{provider: provider, choice: choice, log: log, opened: map[netip.Prefix]opened{}}
}

// To returns what reaches a node's adapter at an address in its network, for edge's ring of a generation there; encrypted says that the hosts speak TLS, and that the
// network is not Trusted. Nil: they go by TCP.
func (a *Adapters) To(edge string, generation fence.Epoch, node netip.Prefix, encrypted bool) tcp.Direct {
	word := a.choice.For(edge)
	if word == TCP || word == Auto && encrypted { // see Choice.Encrypted
		return nil
	}
	f, err := a.reach(node)
	if err == nil {
		return f
	}
	if word == RDMA {
		a.log.Warn("a ring goes by TCP that was to go by RDMA", "edge", edge, "generation", generation, "reason", err)
	}
	return nil
}

var errNoAdapter = errors.New("its node gossips no adapter, or this process has none")

// reach returns the adapter that reaches a node's.
func (a *Adapters) reach(node netip.Prefix) (*Fabric, error) {
	if a.provider == nil || !node.IsValid() {
		return nil, errNoAdapter
	}
	f, err := a.in(node.Masked())
	if err != nil {
		return nil, err
	}
	if f.avoids(node.Addr()) {
		f.counts.fallbacks.Add(1)
		return nil, errUnreached
	}
	return f, nil
}

// in returns the adapter in a network, opened if it is not. One that does not work is tried again after retryAfter.
func (a *Adapters) in(network netip.Prefix) (*Fabric, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, fabric.ErrClosed
	}
	o := a.opened[network]
	if o.f != nil {
		return o.f, o.f.usable()
	}
	if time.Since(o.at) >= retryAfter {
		o = a.openIn(network, o.told)
		a.opened[network] = o
	}
	return o.f, o.why
}

// openIn opens the port in a network, if there is one. Why not is told in the log, unless it was: of what fails again and again the first time.
func (a *Adapters) openIn(network netip.Prefix, told bool) opened {
	port, err := portIn(a.provider, network)
	if err == nil {
		var f *Fabric
		if f, err = Open(Config{Provider: a.provider, Port: port, Choice: a.choice, Logger: a.log}); err == nil {
			return opened{f: f}
		}
	}
	if !told {
		level := slog.LevelWarn
		if errors.Is(err, fabric.ErrUnsupported) {
			level = slog.LevelDebug // there is none, which is no surprise
		}
		a.log.Log(context.Background(), level, "rings in a network go by TCP", "network", network, "reason", err)
	}
	return opened{why: err, at: time.Now(), told: true}
}

// Close has each adapter be given back when the last ring has let go of it. Rings go by TCP afterwards. Idempotent.
func (a *Adapters) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	var errs []error
	for _, o := range a.opened {
		if o.f != nil {
			errs = append(errs, o.f.Close())
		}
	}
	return errors.Join(errs...)
}

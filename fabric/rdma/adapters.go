package rdma

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/grafnode/grafnode/fabric/rdma/verbs"
	"github.com/grafnode/grafnode/fabric/tcp"
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
	at   time.Time // when that was so; of no meaning otherwise
	told bool      // why, in the log
}

// NewAdapters returns those of provider, which may be nil: there are none.
func NewAdapters(provider verbs.Provider, choice Choice, log *slog.Logger) *Adapters {
	return &Adapters{provider: provider, choice: choice, log: log, opened: map[netip.Prefix]opened{}}
}

// To returns what reaches a node's adapter at an address in its network, for the rings of edge there; encrypted says that the hosts speak TLS.
// Nil: they go by TCP.
func (a *Adapters) To(edge string, node netip.Prefix, encrypted bool) tcp.Direct {
	word := a.choice.For(edge)
	if word == Auto && encrypted {
		return nil // see Choice.Encrypted
	}
	if word == TCP || a.provider == nil || !node.IsValid() {
		if word == RDMA {
			a.log.Warn("a ring goes by TCP that was to go by RDMA", "edge", edge, "reason", "its node gossips no adapter, or this process has none")
		}
		return nil
	}
	f := a.in(node.Masked())
	if f == nil || f.avoids(node.Addr()) {
		return nil // and no nil *Fabric
	}
	return f
}

// in returns the adapter in a network, opened if it is not; nil: there is none, or it does not work. That is looked at again after retryAfter.
func (a *Adapters) in(network netip.Prefix) *Fabric {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.opened[network]
	if o.f != nil && o.f.isLost() && !a.closed {
		if err := o.f.Close(); err != nil {
			a.log.Error("an RDMA adapter that is lost cannot be closed", "network", network, "error", err)
		}
		o = opened{at: time.Now()}
	}
	if o.f == nil && !a.closed && time.Since(o.at) >= retryAfter {
		o = a.openIn(network, o)
	}
	a.opened[network] = o
	return o.f
}

// openIn opens the port in a network, if there is one. Of what fails again and again the first time is told.
func (a *Adapters) openIn(network netip.Prefix, before opened) opened {
	port, err := portIn(a.provider, network)
	if err == nil {
		var f *Fabric
		if f, err = Open(Config{Provider: a.provider, Port: port, Choice: a.choice, Logger: a.log}); err == nil {
			return opened{f: f}
		}
	}
	if !before.told {
		level := slog.LevelDebug
		if a.choice.rest == RDMA {
			level = slog.LevelWarn
		}
		a.log.Log(context.Background(), level, "rings in a network go by TCP", "network", network, "reason", err)
	}
	return opened{at: time.Now(), told: true}
}

// Close has each adapter be given back when the last ring has let go of it. Idempotent.
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

package rdma

import (
	"log/slog"
	"net/netip"
	"sync"

	"github.com/grafnode/grafnode/fabric/rdma/verbs"
	"github.com/grafnode/grafnode/fabric/tcp"
)

// Adapters are those of a process that has producers of rings elsewhere. One is opened when there is first use for it. Safe for concurrent use.
type Adapters struct {
	provider verbs.Provider
	choice   Choice
	log      *slog.Logger

	mu     sync.Mutex
	open   map[netip.Prefix]*Fabric // by network; nil: there is none, or it does not work
	closed bool
}

// NewAdapters returns those of provider, which may be nil: there are none.
func NewAdapters(provider verbs.Provider, choice Choice, log *slog.Logger) *Adapters {
	return &Adapters{provider: provider, choice: choice, log: log, open: map[netip.Prefix]*Fabric{}}
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
	a.mu.Lock()
	defer a.mu.Unlock()
	network := node.Masked()
	f, known := a.open[network]
	if !known && !a.closed {
		f = a.openIn(network)
		a.open[network] = f
	}
	if f == nil {
		return nil // and no nil *Fabric
	}
	return f
}

// openIn opens the port in a network, if there is one.
func (a *Adapters) openIn(network netip.Prefix) *Fabric {
	port, err := portIn(a.provider, network)
	if err == nil {
		var f *Fabric
		if f, err = Open(Config{Provider: a.provider, Port: port, Choice: a.choice, Logger: a.log}); err == nil {
			return f
		}
	}
	say := a.log.Debug
	if a.choice.rest == RDMA {
		say = a.log.Warn
	}
	say("rings in a network go by TCP", "network", network, "reason", err)
	return nil
}

// Close has each adapter be given back when the last ring has let go of it. Idempotent.
func (a *Adapters) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for _, f := range a.open {
		if f != nil {
			if err := f.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

package node

import (
	"cmp"
	"context"
	"fmt"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/node/host"
	"github.com/grafnode/grafnode/transport"
)

// Defaults of Config.
const (
	ConnsDefault    = transport.ConnsMax
	SessionsDefault = host.SessionsMax
)

// The range of Config.MaxConns: with less a small cluster stands in its own way, and descriptors end before that.
const (
	connsLeast = 64
	connsMost  = 1 << 20
)

// limits are how much a node takes on, as it was last told.
type limits struct {
	memory           uint64
	conns, peerConns int
	sessions         int
}

// limitsOf returns those of a configuration with its defaults.
func limitsOf(c Config) *limits {
	return &limits{memory: c.Memory, conns: c.MaxConns, peerConns: c.MaxPeerConns, sessions: c.MaxSessions}
}

// dataMax leaves a quarter of a port's connections to Raft and the API.
func dataMax(conns int) int { return conns / 4 * 3 }

func (l *limits) host() host.Limits {
	return host.Limits{Memory: l.memory, SessionsMax: l.sessions, DataMax: dataMax(l.conns)}
}

// Who has not shown whose data he has come for leaves room for those who have.
const _ = uint((connsLeast/4*3 - connsLeast/8*3) - 1)

// checkLimits reports the first of c's that cannot be used.
func (c Config) checkLimits() error {
	wrong := func(setting string, format string, args ...any) error {
		return &ConfigError{setting, fmt.Errorf(format, args...)}
	}
	switch {
	case c.MaxConns < connsLeast || c.MaxConns > connsMost:
		return wrong("max-connections", "%d: must be %d to %d", c.MaxConns, connsLeast, connsMost)
	case c.MaxPeerConns < 1 || c.MaxPeerConns >= dataMax(c.MaxConns):
		return wrong("max-peer-connections", "%d: must be 1 to %d, so that whatever one peer takes others have data connections, too",
			c.MaxPeerConns, dataMax(c.MaxConns)-1)
	case c.MaxSessions < 1 || c.MaxSessions > connsMost:
		return wrong("max-sessions", "%d: must be 1 to %d", c.MaxSessions, connsMost)
	}
	return nil
}

func (c Config) withDefaultLimits() Config {
	c.Memory = cmp.Or(c.Memory, MemoryDefault)
	c.MaxConns = cmp.Or(c.MaxConns, ConnsDefault)
	c.MaxPeerConns = cmp.Or(c.MaxPeerConns, c.MaxConns/2)
	c.MaxSessions = cmp.Or(c.MaxSessions, SessionsDefault)
	return c
}

// limit has l hold from now on. What there is stays, though it is more.
func (n *Node) limit(l *limits) {
	n.limits.Store(l)
	n.mux.Limit(l.conns, l.peerConns)
	if s := n.serving.Load(); s != nil { // else serve finds l
		s.host.Limit(l.host())
	}
	select {
	case n.reloaded <- struct{}{}:
	default:
	}
}

// resize has the cluster know how much memory this node lends, if it does not. Before then it may be asked for more than it takes on, and refuses.
func (n *Node) resize(ctx context.Context) {
	s := n.serving.Load()
	if s == nil {
		return
	}
	want := n.limits.Load().memory
	if self, _ := n.registry.State().Node(n.dir.id); self.Incarnation != s.incarnation || self.Memory == want {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tendPatience)
	defer cancel()
	var because []string
	if err := n.leader.Resize(ctx, api.ResizeRequest{Node: n.dir.id, Incarnation: s.incarnation, Memory: want}); err != nil {
		because = append(because, err.Error())
	}
	n.say.once("the cluster does not know yet how much memory this node lends", because)
}

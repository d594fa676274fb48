package host

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Defaults of Config.
const (
	SessionsMax = 4096
	// DataMax leaves a quarter of what package transport accepts by default to Raft and the API, and is more than that lets one peer have.
	DataMax           = 3072
	DataPerSessionMax = 1024
	DataGrace         = 10 * time.Second
)

// Limits is how much a host takes on. They may change while it runs: Host.Limit.
type Limits struct {
	Memory      uint64 // bytes lent at most, counting all that is still mapped
	SessionsMax int    // connections of stages at a time; zero: SessionsMax
	DataMax     int    // data connections at a time: a side of a ring each, attached or about to be; zero: DataMax
}

// Config says which node a host works for.
type Config struct {
	Node        locator.NodeID
	Incarnation uint64 // of this run of the node, from its registration
	Cluster     string
	Zone        string
	Limits
	DataPerSessionMax int // data connections of one session; zero: DataPerSessionMax
	// DataGrace is how long a data connection may go on after its ring has ended, to take what is left in it. Until then it holds
	// the ring's memory.
	DataGrace time.Duration
	TLS       *tls.Config // what data connections speak; nil: no TLS
	// Users says what the sessions of a user and a group of this host may do: all of it, or what rules allow; an error: they have none. Nil: root and the
	// node's own user may do everything, and nobody else anything.
	Users     func(uid, gid int) (all bool, rules api.Rules, err error)
	State     State
	Leader    Leader
	Addresses func() []string // host:port of the other nodes, for sessions to fall back on
	Observer  Observer        // nil: nobody
	Direct    tcp.Direct      // by which producers elsewhere may write past this host's processors; nil: none
	Trusted   []netip.Prefix  // networks in which adapters' records may go in clear, for sessions to know
	Silences  *tcp.Silences   // counts sessions' processes that are given up for their silence; nil: nobody does
	Logger    *slog.Logger    // nil: slog.Default()
}

// Observer is told of sessions as they come, report and go, in this order for each, by a goroutine of each: who takes long keeps that
// session waiting, and no other.
type Observer interface {
	Began(id lease.SessionID, stage string)
	Report(id lease.SessionID, r api.StageReport)
	Ended(id lease.SessionID)
}

// nobody is the Observer that does not look.
type nobody struct{}

func (nobody) Began(lease.SessionID, string)           {}
func (nobody) Report(lease.SessionID, api.StageReport) {}
func (nobody) Ended(lease.SessionID)                   {}

// State is what the host reads of the cluster: what this node has applied. All methods are safe for concurrent use and, but for
// WaitApplied, do not block.
type State interface {
	// WaitApplied blocks until the state includes revision r, or ctx ends.
	WaitApplied(ctx context.Context, r api.Revision) error
	// Ring returns the ring that lies in an arena of this node: lease.Active if its lease is active and its edge's record
	// points at it, else why not. An arena that the state does not know is lease.Released.
	Ring(id locator.ArenaID) (Ring, lease.Status)
	// Session returns a live session of any node, and false if there is no such session.
	Session(id lease.SessionID) (Session, bool)
	// Edge reports whether there is an edge of that name.
	Edge(name string) bool
}

// Session is what the applied state says of a session.
type Session struct {
	TokenSum [32]byte  // SHA-256 of its secret
	Rules    api.Rules // all that it may do; none: what any session may
}

// may reports whether the session may have sides of an edge.
func (s Session) may(edge string) bool { return len(s.Rules) == 0 || s.Rules.Allow(api.RightCAS, edge) }

// Leader takes to the leader what the host asks for. *client.API of the leader is one; package node's follows the leader as
// it moves. All methods are safe for concurrent use. Errors say, by api.ErrUnknown, whether the request may have been done.
type Leader interface {
	Sessions(ctx context.Context, r api.SessionRequest) (api.SessionResponse, error)
	AdoptLease(ctx context.Context, id lease.ID, r api.AdoptRequest) error
}

// Ring is a ring on this node as the applied state grants it.
type Ring struct {
	Lease       lease.ID
	Edge        string
	Generation  fence.Epoch
	Capacity    uint64 // bytes
	Incarnation uint64 // of the node when it was granted or adopted
	Producer    api.Side
	Consumer    api.Side
	Spare       bool // not the edge's ring, as far as this node knows
}

// Arena returns the name of the ring's arena.
func (r Ring) Arena() locator.ArenaID { return r.Lease.Arena() }

func (r Ring) side(role fabric.Role) (api.Side, error) {
	switch role {
	case fabric.RoleProducer:
		return r.Producer, nil
	case fabric.RoleConsumer:
		return r.Consumer, nil
	default:
		return api.Side{}, api.Errorf(api.KindInvalid, "role %q: must be %q or %q", role, fabric.RoleProducer, fabric.RoleConsumer)
	}
}

// Validate reports what is missing in c.
func (c Config) Validate() error {
	switch {
	case c.Node == "" || c.Cluster == "":
		return fmt.Errorf("host: node %q of cluster %q: both need a name", c.Node, c.Cluster)
	case c.Incarnation == 0:
		return errors.New("host: no incarnation: the node is not registered")
	case c.Memory < fabric.CapacityMin:
		return fmt.Errorf("host: %d bytes of memory: less than one ring of %d", c.Memory, fabric.CapacityMin)
	case c.State == nil || c.Leader == nil:
		return errors.New("host: no state or no leader to ask")
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.Limits = c.Limits.withDefaults()
	c.DataPerSessionMax = cmp.Or(c.DataPerSessionMax, DataPerSessionMax)
	c.DataGrace = cmp.Or(c.DataGrace, DataGrace)
	if c.Addresses == nil {
		c.Addresses = func() []string { return nil }
	}
	if c.Users == nil {
		c.Users = ownersOnly
	}
	if c.Observer == nil {
		c.Observer = nobody{}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func (l Limits) withDefaults() Limits {
	l.SessionsMax = cmp.Or(l.SessionsMax, SessionsMax)
	l.DataMax = cmp.Or(l.DataMax, DataMax)
	return l
}

package transport

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/grafnode/grafnode/internal/identity"
)

// Defaults of Config.
const (
	ConnsMax     = 4096
	PeerConnsMax = ConnsMax / 2
)

// UnprovenMax is how many data connections whose other end has not shown who it is a port has that has so many in all: less than may carry data
// (package node/host), so that there are always some for those who have.
func UnprovenMax(conns int) int { return max(1, conns/8*3) }

// raftShare is how many of a port's connections are for Raft alone and for those that have said nothing yet, so that nodes reach each other whatever
// strangers take.
func raftShare(conns int) int { return conns / 8 }

// Config says where to listen and how much to bear. Zero values mean the defaults.
type Config struct {
	// Address is where to listen: "host:port", port 0 for any.
	Address string
	// Advertise is the "ip:port" by which other nodes reach this one; empty: the address that Listen got. It is required if Address
	// names no single host.
	Advertise string
	// Identity makes TLS the language of Raft and HTTP: other nodes must show that they are nodes, and whoever speaks HTTP shows what
	// certificate it has, or none. Data is handed over as it comes: fabric/tcp does the same on it, in its own way. Nil: nothing is
	// encrypted, and nobody has to say who he is.
	Identity *identity.Identity
	// PrefaceTimeout is how long a connection may take to say what it is for and who is there, and then to be accepted; default 5 s.
	PrefaceTimeout time.Duration
	// ConnsMax bounds the accepted connections, default ConnsMax.
	ConnsMax int
	// PeerConnsMax bounds those of one peer, default half of all. A peer is an address; of IPv6 a network of /64, but for the one that this host is in.
	PeerConnsMax int
	// NewConnsMax bounds those that have not said what they are for, default 256.
	NewConnsMax int
	// Logger gets what is worth knowing about single connections, at level debug. Nil: slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.PrefaceTimeout = cmp.Or(c.PrefaceTimeout, 5*time.Second)
	c.ConnsMax = cmp.Or(c.ConnsMax, ConnsMax)
	c.PeerConnsMax = cmp.Or(c.PeerConnsMax, c.ConnsMax-c.ConnsMax/2)
	c.NewConnsMax = cmp.Or(c.NewConnsMax, min(256, c.ConnsMax))
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c
}

// Validate reports what is wrong with c.
func (c Config) Validate() error {
	c = c.withDefaults()
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return fmt.Errorf("transport: listen address %q: %w; want host:port", c.Address, err)
	}
	if c.PrefaceTimeout < 0 || min(c.NewConnsMax, c.PeerConnsMax) < 0 || max(c.NewConnsMax, c.PeerConnsMax) > c.ConnsMax {
		return fmt.Errorf("transport: limits: preface within %v, %d connections, %d of them new, %d of one peer: want none negative and no more than all",
			c.PrefaceTimeout, c.ConnsMax, c.NewConnsMax, c.PeerConnsMax)
	}
	if c.Advertise == "" {
		if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
			return fmt.Errorf("transport: listening on every address of the host (%q): say which one others are to use", c.Address)
		}
		return nil
	}
	advertise, err := netip.ParseAddrPort(c.Advertise)
	if err != nil || advertise.Addr().IsUnspecified() || advertise.Port() == 0 {
		return fmt.Errorf("transport: advertised address %q: want ip:port of this host as others see it", c.Advertise)
	}
	return nil
}

package client

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric/rdma"
	"github.com/grafnode/grafnode/fabric/rdma/ibverbs"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/lease"
)

// SocketEnv names the environment variable that says where the own node's socket is, SocketDefault is where an installed node has it.
const (
	SocketEnv     = "GRAFNODE_SOCKET"
	SocketDefault = "/run/grafnode/grafnode.sock"
)

// HeartbeatEnv and MissedEnv name the environment variables of Config.Heartbeat, such as "50ms", and Config.Missed, such as "3"; FabricEnv that
// of Config.Fabric, such as "auto,orders.parsed=tcp".
const (
	FabricEnv    = "GRAFNODE_FABRIC"
	HeartbeatEnv = "GRAFNODE_HEARTBEAT"
	MissedEnv    = "GRAFNODE_HEARTBEATS_MISSED"
)

// Config says which node a client belongs to and who it is.
type Config struct {
	Socket     string        // path of the own node's socket; empty: $GRAFNODE_SOCKET, or SocketDefault
	Stage      string        // the name under which the session is shown; empty: the program's name
	TTL        time.Duration // term of the session's lease; zero: lease.TTLDefault
	TryTimeout time.Duration // one try of a request against one node; zero: TryTimeoutDefault
	Logger     *slog.Logger  // nil: slog.Default()

	// Heartbeat is how long this process, and a node that has rings which it uses over TCP, may say nothing to each other; when so many
	// are Missed in a row, those rings count as lost, which is harmless if it is a mistake. Both ends do as the stage says. Zero: $GRAFNODE_HEARTBEAT
	// and $GRAFNODE_HEARTBEATS_MISSED, or tcp.HeartbeatDefault (50 ms) and tcp.MissedDefault (3).
	Heartbeat time.Duration
	Missed    int

	// Fabric says how producers of this process reach rings on other hosts: auto, tcp or rdma, then EDGE= and one of them for others, with commas
	// between. Empty: $GRAFNODE_FABRIC, or auto: by RDMA where the ring's node says that it has an adapter, and this host has one in the
	// same network; by TCP where it has none, or setting up fails. Consumers always go by TCP.
	Fabric string
	// Adapters are this host's. Nil: those of ibverbs, of which a binary without the build tag rdma knows none.
	Adapters verbs.Provider

	// Now is the clock of deadlines, CLOCK_BOOTTIME: it must be the node's own, since it is the node that says when. Nil: that
	// of this machine; simulations bring theirs.
	Now func() lease.Instant
}

func (c Config) withDefaults() (Config, error) {
	c.Socket = cmp.Or(c.Socket, os.Getenv(SocketEnv), SocketDefault)
	c.Fabric = cmp.Or(c.Fabric, os.Getenv(FabricEnv))
	if c.Stage == "" {
		c.Stage = filepath.Base(os.Args[0])
	}
	if c.Adapters == nil {
		c.Adapters = ibverbs.New()
	}
	if c.TTL == 0 {
		c.TTL = lease.TTLDefault
	}
	if c.TryTimeout == 0 {
		c.TryTimeout = TryTimeoutDefault
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = boottime.Now
	}
	return c, c.pulseDefaults()
}

// pulseDefaults fills in what is said of heartbeats.
func (c *Config) pulseDefaults() (err error) {
	if text := os.Getenv(HeartbeatEnv); c.Heartbeat == 0 && text != "" {
		if c.Heartbeat, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("client: %s: %q is no duration such as 50ms", HeartbeatEnv, text)
		}
	}
	if text := os.Getenv(MissedEnv); c.Missed == 0 && text != "" {
		if c.Missed, err = strconv.Atoi(text); err != nil {
			return fmt.Errorf("client: %s: %q is no number such as 3", MissedEnv, text)
		}
	}
	c.Heartbeat, c.Missed = cmp.Or(c.Heartbeat, tcp.HeartbeatDefault), cmp.Or(c.Missed, tcp.MissedDefault)
	return nil
}

// Validate reports what is wrong with c, after its defaults.
func (c Config) Validate() error {
	if err := api.CheckEdgeName(c.Stage); err != nil {
		return fmt.Errorf("client: stage: %w", err)
	}
	if err := lease.CheckTTL(c.TTL); err != nil {
		return fmt.Errorf("client: session: %w", err)
	}
	if _, err := rdma.ParseChoice(c.Fabric); err != nil {
		return fmt.Errorf("client: fabric: %w", err)
	}
	if c.Heartbeat < tcp.HeartbeatMin || c.Heartbeat > tcp.HeartbeatMax {
		return fmt.Errorf("client: heartbeat %v, must be %v to %v", c.Heartbeat, tcp.HeartbeatMin, tcp.HeartbeatMax)
	}
	if c.Missed < 1 || c.Missed > tcp.MissedMax {
		return fmt.Errorf("client: %d heartbeats missed, must be 1 to %d", c.Missed, tcp.MissedMax)
	}
	return nil
}

// explain adds to a failed connect what it means and what to do.
func explain(socket string, err error) error {
	hint := "is the node running?"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hint = "there is no such socket; start a node with `grafnode agent --socket " + socket + "`, or set " + SocketEnv
	case errors.Is(err, syscall.ECONNREFUSED):
		hint = "the socket is there but nobody listens; the node that made it is not running, or the path is no socket"
	case errors.Is(err, fs.ErrPermission):
		hint = "this user may not use it; run as the node's user, or have the node allow this one"
	}
	return fmt.Errorf("client: node at %s: %w: %s: %w", socket, api.ErrUnavailable, hint, err)
}

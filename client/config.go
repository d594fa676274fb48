package client

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/lease"
)

// SocketEnv names the environment variable that says where the own node's socket is.
const SocketEnv = "GRAFNODE_SOCKET"

// Config says which node a client belongs to and who it is.
type Config struct {
	Socket     string        // path of the own node's socket; empty: $GRAFNODE_SOCKET
	Stage      string        // the name under which the session is shown; empty: the program's name
	TTL        time.Duration // term of the session's lease; zero: lease.TTLDefault
	TryTimeout time.Duration // one try of a request against one node; zero: TryTimeoutDefault
	Logger     *slog.Logger  // nil: slog.Default()

	// Now is the clock of deadlines, CLOCK_BOOTTIME: it must be the node's own, since it is the node that says when. Nil: that
	// of this machine; simulations bring theirs.
	Now func() lease.Instant
}

func (c Config) withDefaults() Config {
	if c.Socket == "" {
		c.Socket = os.Getenv(SocketEnv)
	}
	if c.Stage == "" {
		c.Stage = filepath.Base(os.Args[0])
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
	return c
}

// Validate reports what is wrong with c, after its defaults.
func (c Config) Validate() error {
	if c.Socket == "" {
		return fmt.Errorf("client: no node given: set %s, or Config.Socket, to the path of a running node's socket"+
			" (`grafnode agent --socket PATH` makes it)", SocketEnv)
	}
	if err := api.CheckEdgeName(c.Stage); err != nil {
		return fmt.Errorf("client: stage: %w", err)
	}
	if err := lease.CheckTTL(c.TTL); err != nil {
		return fmt.Errorf("client: session: %w", err)
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

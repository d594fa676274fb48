package node

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"sync/atomic"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/api/server"
	"github.com/grafnode/grafnode/node/host"
	"github.com/grafnode/grafnode/node/local"
	"github.com/grafnode/grafnode/transport"
)

// users is what the users of this host may do, as the node was last told.
type users struct{ now atomic.Pointer[local.Users] }

// tell looks up whom entries are about, for connections from now on. What cannot be used changes nothing.
func (u *users) tell(entries []local.Entry) error {
	known, err := local.Resolve(entries)
	if err != nil {
		return &ConfigError{"local", err}
	}
	u.now.Store(known)
	return nil
}

// of is what a process of a user and a group may do.
func (u *users) of(uid, gid int) (all bool, rules api.Rules, err error) {
	return u.now.Load().Of(uid, gid)
}

// mode is that of the node's socket: with entries the system lets everybody connect, and the node looks who it is.
func (u *users) mode() fs.FileMode {
	if u.now.Load().Open() {
		return 0o666
	}
	return 0o660
}

// caller notes on a connection's requests who makes them.
func (n *Node) caller(ctx context.Context, conn net.Conn) context.Context {
	if secured, ok := conn.(*transport.Secured); ok {
		return server.WithCaller(ctx, server.Caller{Role: secured.Role()})
	}
	caller := server.Caller{Plain: true} // a browser reaches the socket too, by ssh -L
	if _, tcp := conn.LocalAddr().(*net.TCPAddr); tcp {
		caller.Trusted = n.identity.id == nil
		return server.WithCaller(ctx, caller)
	}
	who, err := host.Peer(conn)
	if errors.Is(err, errors.ErrUnsupported) { // the socket's file mode has decided
		caller.Trusted = true
		return server.WithCaller(ctx, caller)
	}
	if err == nil {
		caller.Trusted, caller.Rules, err = n.users.of(who.UID, who.GID)
	}
	if err != nil {
		n.log.Debug("nobody's connection to the socket", "error", err)
	}
	return server.WithCaller(ctx, caller)
}

// chmod gives the node's socket the mode that goes with its users.
func (n *Node) chmod() error { return os.Chmod(n.cfg.Socket, n.users.mode()) }

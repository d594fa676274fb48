package node

import (
	"context"
	"errors"
	"io/fs"
	"net"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/api/server"
	"github.com/grafnode/grafnode/node/host"
	"github.com/grafnode/grafnode/node/local"
	"github.com/grafnode/grafnode/transport"
)

// resolve looks up whom entries are about.
func resolve(entries []local.Entry) (*local.Users, error) {
	known, err := local.Resolve(entries)
	if err != nil {
		return nil, &ConfigError{"local", err}
	}
	return known, nil
}

// socketMode is that of the node's socket: with entries the system lets everybody connect, and the node looks who it is.
func socketMode(u *local.Users) fs.FileMode {
	if u.Open() {
		return 0o666
	}
	return 0o660
}

// rights is what a process of a user and a group may do, as the node was last told.
func (n *Node) rights(uid, gid int) (all bool, rules api.Rules, err error) {
	return n.users.Load().Of(uid, gid)
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
		caller.Trusted, caller.Rules, err = n.rights(who.UID, who.GID)
	}
	if err != nil {
		n.log.Debug("nobody's connection to the socket", "error", err)
		caller.Stranger = err
	}
	return server.WithCaller(ctx, caller)
}

package node

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/keyfile"
)

// papers are what a node shows others, or nothing: then nodes speak without TLS.
type papers struct{ id *identity.Identity }

// openIdentity reads certificates and keys, and finds out about the host's users.
func (n *Node) openIdentity() (err error) {
	known, err := resolve(n.cfg.Local)
	if err != nil {
		return err
	}
	n.users.Store(known)
	if n.cfg.TLS != (identity.Files{}) {
		if n.identity.id, err = identity.Open(n.cfg.TLS, identity.Server); err != nil {
			return &ConfigError{"tls-cert", err}
		}
	}
	_, err = n.gossipKeys()
	return err
}

// gossipKeys reads the keys of gossip; none without a file.
func (n *Node) gossipKeys() ([][]byte, error) {
	if n.cfg.GossipKeys == "" {
		return nil, nil
	}
	keys, err := keyfile.Read(n.cfg.GossipKeys)
	if err != nil {
		return nil, &ConfigError{"gossip-keys", err}
	}
	return keys, nil
}

// warnOfPort says who may do everything where nobody shows who he is.
func (n *Node) warnOfPort() {
	if n.identity.id != nil {
		return
	}
	who := "whoever reaches its port"
	if netip.MustParseAddrPort(n.cfg.Bind).Addr().IsLoopback() { // validated
		who = "every user of this host"
	}
	n.log.Warn("this node has no certificate, and "+who+" may do everything: for trying out only (see docs/security.md)", "address", n.Address())
}

// warnOfUsers says whether what was said of users holds.
func (n *Node) warnOfUsers() {
	if n.identity.id == nil && n.users.Load().Open() {
		n.log.Warn("what local says of users holds at the socket only: by the port they may do everything while the node has no certificate", "address", n.Address())
	}
}

// Reload reads the node's certificates and keys again: certificates for the connections made from now on, keys for all gossip. Of c, which must be
// valid, it takes over what may change while the node runs: Local, for such connections; Memory, MaxConns, MaxPeerConns and MaxSessions, for what comes
// from now on. If anything cannot be used all stays as it was: whatever may fail is done before the first of it is used.
func (n *Node) Reload(c Config) error {
	c = c.withDefaultLimits()
	if err := errors.Join(c.checkLimits(), checkMemory(c.Memory)); err != nil {
		return err
	}
	known, err := resolve(c.Local)
	if err != nil {
		return err
	}
	keys, err := n.gossipKeys()
	if err != nil {
		return err
	}
	certify := func() {}
	if n.identity.id != nil {
		if certify, err = n.identity.id.Reread(); err != nil {
			return &ConfigError{"tls-cert", err}
		}
	}
	if err := os.Chmod(n.cfg.Socket, socketMode(known)); err != nil { // which lets nobody in by itself
		return &ConfigError{"socket", err}
	}
	if keys != nil {
		if err := n.gossip.Rekey(keys); err != nil { // cannot be: of keys that were read, in place of others
			return &ConfigError{"gossip-keys", err}
		}
	}
	certify()
	n.users.Store(known)
	n.limit(limitsOf(c))
	n.warnOfUsers()
	return nil
}

// listening returns what is spoken on connections of anybody; nil: no TLS.
func (p papers) listening() *tls.Config {
	if p.id == nil {
		return nil
	}
	return p.id.Listening()
}

// dialling returns what another node is called with; nil: no TLS.
func (p papers) dialling() *tls.Config {
	if p.id == nil {
		return nil
	}
	return p.id.Client()
}

// authorities returns by whose certificates nodes can be known.
func (p papers) authorities() []byte {
	if p.id == nil {
		return nil
	}
	return p.id.Authorities()
}

// dial connects to another node's HTTP.
func (p papers) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil || p.id == nil {
		return conn, err
	}
	return identity.Dial(ctx, conn, p.id.Client())
}

const dialTimeout = 2 * time.Second

// problem says that the certificate has ended.
func (p papers) problem(now time.Time) (string, bool) {
	if p.id == nil || now.Before(p.id.Expires()) {
		return "", false
	}
	return "the node's certificate has expired, so nobody lets it in: replace the files and reload", true
}

package node

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/grafnode/grafnode/internal/identity"
)

// papers are what a node shows others, or nothing: then nodes speak without TLS.
type papers struct{ id *identity.Identity }

// openIdentity reads the certificates.
func (n *Node) openIdentity() error {
	if n.cfg.TLS == (identity.Files{}) {
		return nil
	}
	id, err := identity.Open(n.cfg.TLS, identity.Server)
	if err != nil {
		return &ConfigError{"tls-cert", err}
	}
	n.identity.id = id
	return nil
}

// Reload reads the node's certificates again, for the connections made from now on. On an error those it has stay.
func (n *Node) Reload() error {
	if n.identity.id == nil {
		return nil
	}
	if err := n.identity.id.Reload(); err != nil {
		return &ConfigError{"tls-cert", err}
	}
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

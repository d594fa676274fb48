// Package pki is the directory of what a cluster needs to be safe beyond loopback: an authority, a certificate for each node, one for an operator,
// and the keys of gossip.
//
//	grafnode-ca.pem grafnode-ca-key.pem   the authority; its key goes on no node
//	NODE.pem NODE-key.pem                 a node's
//	operator.pem operator-key.pem         a person's
//	gossip.keys                           all nodes'
//
// What is there already is kept, so that a later call adds nodes. The command's "tls setup" calls it, and package lab, whose clusters are made
// by programs.
package pki

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/keyfile"
)

// Names of files, completed by .pem and -key.pem where they are pairs.
const (
	Authority = "grafnode-ca"
	Operator  = "operator"
	keys      = "gossip.keys"
)

// Dir is such a directory.
type Dir string

// Files returns the paths of a node's or the operator's certificate and key, and of the authority's certificate.
func (d Dir) Files(name string) identity.Files {
	cert, key := d.pair(name)
	ca, _ := d.pair(Authority)
	return identity.Files{CA: ca, Cert: cert, Key: key}
}

// GossipKeys returns the path of the keys of gossip.
func (d Dir) GossipKeys() string { return filepath.Join(string(d), keys) }

func (d Dir) pair(name string) (cert, key string) {
	base := filepath.Join(string(d), name)
	return base + ".pem", base + "-key.pem"
}

// Setup makes what is not there yet for the nodes with these names, and the directory, and returns the paths of the files that it made. The authority
// lasts for authorityLasts and the rest for lasts. It is not for two callers at once; after an error, what was made is kept.
func (d Dir) Setup(nodes []string, authorityLasts, lasts time.Duration) (made []string, err error) {
	if err := os.MkdirAll(string(d), 0o755); err != nil { // nodes of other users read their own from it
		return nil, err
	}
	add := func(paths ...string) { made = append(made, paths...) }
	authority, err := d.keep(Authority, add, func() (identity.Pair, error) {
		return identity.NewAuthority("grafnode authority", authorityLasts)
	})
	if err != nil {
		return made, err
	}
	if err := d.keepKeys(add); err != nil {
		return made, err
	}
	for i, name := range append([]string{Operator}, nodes...) {
		role, hosts := identity.Server, []string{name, "localhost", "127.0.0.1"} // by which browsers call it
		if i == 0 {
			role, hosts = identity.Operator, nil
		}
		if _, err := d.keep(name, add, func() (identity.Pair, error) { return authority.Issue(name, role, lasts, hosts...) }); err != nil {
			return made, err
		}
	}
	return made, nil
}

// keep returns the pair that has a name, made if there is none.
func (d Dir) keep(name string, add func(...string), make func() (identity.Pair, error)) (identity.Pair, error) {
	cert, key := d.pair(name)
	pair, err := identity.ReadPair(cert, key)
	if !errors.Is(err, fs.ErrNotExist) {
		return pair, err
	}
	if pair, err = make(); err != nil {
		return pair, fmt.Errorf("%s: %w", cert, err)
	}
	if err = pair.Write(cert, key); err == nil {
		add(cert, key)
	}
	return pair, err
}

func (d Dir) keepKeys(add func(...string)) error {
	f, err := os.OpenFile(d.GossipKeys(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		_, err = keyfile.Read(d.GossipKeys())
		return err
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(keyfile.New() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(d.GossipKeys()))
	}
	add(d.GossipKeys())
	return nil
}

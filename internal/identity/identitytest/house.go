// Package identitytest makes an authority and certificates for tests of what uses package identity.
package identitytest

import (
	"crypto/tls"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/identity"
)

// House is an authority whose files live as long as the test.
type House struct {
	t   testing.TB
	dir string
	ca  identity.Pair
}

// New makes an authority.
func New(t testing.TB) *House {
	t.Helper()
	h := &House{t: t, dir: t.TempDir()}
	var err error
	h.ca, err = identity.NewAuthority("test", time.Hour)
	require.NoError(t, err)
	require.NoError(t, h.ca.Write(h.CA(), filepath.Join(h.dir, "ca.key")))
	return h
}

// CA returns the file of the authority's certificate.
func (h *House) CA() string { return filepath.Join(h.dir, "ca") }

// Member makes a certificate. Names are given once.
func (h *House) Member(name string, role identity.Role) identity.Files {
	h.t.Helper()
	pair, err := h.ca.Issue(name, role, time.Hour)
	require.NoError(h.t, err)
	files := identity.Files{CA: h.CA(), Cert: filepath.Join(h.dir, name), Key: filepath.Join(h.dir, name+".key")}
	require.NoError(h.t, pair.Write(files.Cert, files.Key))
	return files
}

// Open makes a certificate and the identity of who has it.
func (h *House) Open(name string, role identity.Role) *identity.Identity {
	h.t.Helper()
	id, err := identity.Open(h.Member(name, role))
	require.NoError(h.t, err)
	return id
}

// Ended makes a certificate that has ended, and returns what its owner dials with.
func (h *House) Ended(name string, role identity.Role) *tls.Config {
	h.t.Helper()
	return h.Ending(name, role, -time.Second)
}

// Ending makes a certificate that ends soon, and returns what its owner dials with.
func (h *House) Ending(name string, role identity.Role, after time.Duration) *tls.Config {
	h.t.Helper()
	pair, err := h.ca.Issue(name, role, after)
	require.NoError(h.t, err)
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	require.NoError(h.t, err)
	with, err := identity.Anonymous(h.ca.Cert)
	require.NoError(h.t, err)
	with.Certificates = []tls.Certificate{cert}
	return with
}

package identity_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/identity"
)

// house is an authority and the files of its members.
type house struct {
	t   *testing.T
	dir string
	ca  identity.Pair
}

func newHouse(t *testing.T) *house {
	h := &house{t: t, dir: t.TempDir()}
	h.renew()
	return h
}

func (h *house) path(name string) string { return filepath.Join(h.dir, name) }

// renew takes another authority.
func (h *house) renew() {
	var err error
	h.ca, err = identity.NewAuthority("house", time.Hour)
	require.NoError(h.t, err)
	require.NoError(h.t, os.WriteFile(h.path("ca"), h.ca.Cert, 0o600))
}

// member writes files of a member anew.
func (h *house) member(name string, role identity.Role, lasts time.Duration) identity.Files {
	pair, err := h.ca.Issue(name, role, lasts)
	require.NoError(h.t, err)
	files := identity.Files{CA: h.path("ca"), Cert: h.path(name), Key: h.path(name + ".key")}
	require.NoError(h.t, os.WriteFile(files.Cert, pair.Cert, 0o600))
	require.NoError(h.t, os.WriteFile(files.Key, pair.Key, 0o600))
	return files
}

func (h *house) open(name string, role identity.Role) *identity.Identity {
	id, err := identity.Open(h.member(name, role, time.Hour))
	require.NoError(h.t, err)
	return id
}

// meet returns what the listener and the dialler say of a connection, and the role that the listener saw.
func meet(t *testing.T, listening, dialling *tls.Config) (saw identity.Role, listener, dialler error) {
	a, b := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer a.Close()
		server := tls.Server(a, listening)
		if listener = server.Handshake(); listener != nil {
			return
		}
		saw, listener = identity.Peer(server.ConnectionState())
		if listener == nil {
			_, listener = server.Write([]byte("welcome"))
		}
	}()
	client := tls.Client(b, dialling)
	if dialler = client.Handshake(); dialler == nil { // in TLS 1.3 the refusal of a client's certificate comes with the first read
		_, dialler = io.ReadFull(client, make([]byte, len("welcome")))
	}
	require.NoError(t, b.Close())
	<-done
	return saw, listener, dialler
}

func TestWhoMayMeetWhom(t *testing.T) {
	h := newHouse(t)
	ids := map[identity.Role]*identity.Identity{}
	for _, role := range identity.Roles {
		ids[role] = h.open(string(role), role)
	}
	stranger := newHouse(t).open("stranger", identity.Server)

	for _, role := range identity.Roles {
		saw, listener, dialler := meet(t, ids[identity.Server].Listening(), ids[role].Client())
		require.NoError(t, listener)
		require.NoError(t, dialler)
		require.Equal(t, role, saw)

		_, listener, dialler = meet(t, ids[identity.Server].Listening(identity.Server), ids[role].Client())
		if role == identity.Server {
			require.NoError(t, listener)
			require.NoError(t, dialler)
		} else {
			require.ErrorIs(t, listener, identity.ErrWrongRole)
			require.Error(t, dialler)
			_, _, dialler = meet(t, ids[role].Listening(), ids[identity.Server].Client())
			require.ErrorAs(t, dialler, new(x509.HostnameError), "a %s cannot pose as a node", role)
		}
	}
	_, listener, dialler := meet(t, ids[identity.Server].Listening(), stranger.Client())
	require.Error(t, listener)
	require.ErrorAs(t, dialler, new(x509.UnknownAuthorityError))

	anonymous, err := identity.Anonymous(ids[identity.Server].Authorities())
	require.NoError(t, err)
	saw, listener, dialler := meet(t, ids[identity.Server].Listening(), anonymous)
	require.NoError(t, listener)
	require.NoError(t, dialler)
	require.Empty(t, saw)
	_, listener, dialler = meet(t, ids[identity.Server].Listening(identity.Server, identity.Operator), anonymous)
	require.Error(t, listener)
	require.Error(t, dialler)
	_, listener, _ = meet(t, ids[identity.Server].Listening(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	require.ErrorContains(t, listener, "unsupported versions")
}

func TestReload(t *testing.T) {
	h := newHouse(t)
	node, other := h.open("node", identity.Server), h.open("other", identity.Server)
	listening, dialling := node.Listening(identity.Server), other.Client()

	h.renew()
	require.Error(t, node.Reload(), "its certificate is of the authority before")
	_, _, dialler := meet(t, listening, dialling)
	require.NoError(t, dialler, "and so nothing has changed")

	h.member("node", identity.Server, time.Hour)
	require.NoError(t, node.Reload())
	_, listener, dialler := meet(t, listening, dialling)
	require.Error(t, listener)
	require.Error(t, dialler)

	h.member("other", identity.Server, time.Hour)
	require.NoError(t, other.Reload())
	_, listener, dialler = meet(t, listening, other.Client())
	require.NoError(t, listener)
	require.NoError(t, dialler)

	h.member("node", identity.Client, time.Hour)
	require.ErrorIs(t, node.Reload(), identity.ErrWrongRole)
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	h := newHouse(t)
	good := h.member("good", identity.Server, time.Hour)
	_, err := identity.Open(good, identity.Server)
	require.NoError(t, err)
	_, err = identity.Open(good, identity.Operator)
	require.ErrorIs(t, err, identity.ErrWrongRole)
	require.ErrorContains(t, err, good.Cert)

	old := h.member("old", identity.Server, -time.Minute)
	other := h.member("other", identity.Server, time.Hour)
	roleless, err := h.ca.Issue("roleless", "guest", time.Hour)
	require.NoError(t, err)
	require.NoError(t, roleless.Write(h.path("roleless"), h.path("roleless.key")))
	require.NoError(t, os.WriteFile(h.path("empty"), nil, 0o600))
	for _, c := range []struct {
		files identity.Files
		want  string
	}{
		{identity.Files{CA: h.path("none"), Cert: good.Cert, Key: good.Key}, "no such file"},
		{identity.Files{CA: good.CA, Cert: h.path("none"), Key: good.Key}, "no such file"},
		{identity.Files{CA: good.CA, Cert: good.Cert, Key: h.path("none")}, "no such file"},
		{identity.Files{CA: h.path("empty"), Cert: good.Cert, Key: good.Key}, "no certificate of an authority"},
		{identity.Files{CA: good.CA, Cert: good.Cert, Key: other.Key}, identity.ErrNotTheirKey.Error()},
		{identity.Files{CA: good.CA, Cert: h.path("empty"), Key: other.Key}, h.path("empty")},
		{identity.Files{CA: good.Cert, Cert: other.Cert, Key: other.Key}, "by the authority of"},
		{identity.Files{CA: good.CA, Cert: h.path("roleless"), Key: h.path("roleless.key")}, identity.ErrNoRole.Error()},
		{old, "expired"},
	} {
		_, err := identity.Open(c.files)
		require.ErrorContains(t, err, c.want)
	}
}

func TestWhatAnAuthorityIssues(t *testing.T) {
	h := newHouse(t)
	long, err := h.ca.Issue("long", identity.Server, 1000*time.Hour)
	require.NoError(t, err)
	parse := func(p identity.Pair) *x509.Certificate {
		block, _ := pem.Decode(p.Cert)
		cert, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		return cert
	}
	require.Equal(t, parse(h.ca).NotAfter, parse(long).NotAfter, "no longer than its authority")
	_, err = long.Issue("child", identity.Server, time.Hour)
	require.ErrorContains(t, err, "cannot sign")

	require.NoError(t, long.Write(h.path("a"), h.path("a.key")))
	info, err := os.Stat(h.path("a.key"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	again, err := identity.ReadPair(h.path("a"), h.path("a.key"))
	require.NoError(t, err)
	require.Equal(t, long, again)
	require.ErrorIs(t, long.Write(h.path("b"), h.path("a.key")), os.ErrExist)
	require.ErrorIs(t, long.Write(h.path("a"), h.path("b.key")), os.ErrExist)
	require.NoFileExists(t, h.path("b.key"), "no half of a pair is left")
}

package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// Files are what an Identity is made of, in PEM. Cert holds the certificate and, behind it, any that lie between it and the authority's.
type Files struct {
	CA, Cert, Key string
}

// Identity is a certificate, its key, and the authorities that others' certificates must come from. All methods are safe for concurrent use.
type Identity struct {
	files Files
	now   atomic.Pointer[material] // stored by Open and Reread's use, loaded by whoever begins a connection
}

type material struct {
	cert tls.Certificate
	cas  *x509.CertPool
	pem  []byte // the authorities'
	role Role
}

// Open reads the files. The certificate must be valid now, come from the authority and have one of the given roles, or any if none is given.
func Open(files Files, roles ...Role) (*Identity, error) {
	id := &Identity{files: files}
	m, err := files.read()
	if err != nil {
		return nil, err
	}
	if len(roles) > 0 && !slices.Contains(roles, m.role) {
		return nil, fmt.Errorf("%s: %w: it is for %q, and must be for %q", files.Cert, ErrWrongRole, m.role, roles)
	}
	id.now.Store(m)
	return id, nil
}

// Reload reads the files again, for the connections made from now on. On an error all stays as it was. The role cannot change.
func (id *Identity) Reload() error {
	use, err := id.Reread()
	if err == nil {
		use()
	}
	return err
}

// Reread is Reload for who has more to reload, all of it or nothing: what the files have now is used once use is called.
func (id *Identity) Reread() (use func(), err error) {
	m, err := id.files.read()
	if err != nil {
		return nil, err
	}
	if was := id.Role(); m.role != was {
		return nil, fmt.Errorf("%s: %w: it is for %q now, and was for %q", id.files.Cert, ErrWrongRole, m.role, was)
	}
	return func() { id.now.Store(m) }, nil
}

// Role returns what the certificate is for.
func (id *Identity) Role() Role { return id.now.Load().role }

// Expires returns when the certificate ends.
func (id *Identity) Expires() time.Time { return id.now.Load().cert.Leaf.NotAfter }

// Authorities returns the certificates of the authorities, in PEM: what a program needs that only has to know the nodes. The caller must not
// change them.
func (id *Identity) Authorities() []byte { return id.now.Load().pem }

// Client returns what a connection to a node is made with: it accepts nodes only. To be asked for anew for each connection.
func (id *Identity) Client() *tls.Config {
	m := id.now.Load()
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{m.cert},
		RootCAs:      m.cas,
		ServerName:   Server.name(),

		DynamicRecordSizingDisabled: true,
	}
}

// Dial does a dialler's part of the handshake on conn, which it closes if that fails. It blocks no longer than ctx. Nothing else has been sent
// when it fails.
func Dial(ctx context.Context, conn net.Conn, with *tls.Config) (*tls.Conn, error) {
	secured := tls.Client(conn, with)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the first error says more
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: conn.RemoteAddr(), Err: fmt.Errorf("TLS: %w", err)}
	}
	return secured, nil
}

// Anonymous is Client for who has no certificate but those of the authorities, in PEM, and shows otherwise what it may do.
func Anonymous(authorities []byte) (*tls.Config, error) {
	cas := x509.NewCertPool()
	if !cas.AppendCertsFromPEM(authorities) {
		return nil, errors.New("no certificate of an authority in PEM")
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: cas, ServerName: Server.name()}, nil
}

// Listening returns what connections from others are accepted with: of peers that show a certificate with one of the roles, or, without any role
// given, of peers that show one with any role or none at all; Peer tells afterwards.
func (id *Identity) Listening(roles ...Role) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		m := id.now.Load()
		this := &tls.Config{
			MinVersion:             tls.VersionTLS13,
			Certificates:           []tls.Certificate{m.cert},
			ClientCAs:              m.cas,
			ClientAuth:             tls.VerifyClientCertIfGiven,
			SessionTicketsDisabled: true,

			DynamicRecordSizingDisabled: true,
		}
		if len(roles) > 0 {
			this.ClientAuth = tls.RequireAndVerifyClientCert
			this.VerifyConnection = func(s tls.ConnectionState) error { return allow(s, roles) }
		}
		return this, nil
	}}
}

// allow wants one of the roles from a peer.
func allow(s tls.ConnectionState, roles []Role) error {
	role, err := Peer(s)
	if err != nil {
		return err
	}
	if !slices.Contains(roles, role) {
		return fmt.Errorf("%w: it is for %q, and must be for %q", ErrWrongRole, role, roles)
	}
	return nil
}

// Peer returns the role of who is at the other end of a connection, "" if it showed no certificate.
func Peer(s tls.ConnectionState) (Role, error) {
	if len(s.VerifiedChains) == 0 {
		return "", nil
	}
	return RoleOf(s.PeerCertificates[0])
}

func (f Files) read() (*material, error) {
	text, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, err
	}
	m := &material{cas: x509.NewCertPool(), pem: text}
	if !m.cas.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificate of an authority in PEM", f.CA)
	}
	if m.cert, err = f.pair(); err != nil {
		return nil, err
	}
	between := x509.NewCertPool()
	for _, der := range m.cert.Certificate[1:] {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Cert, err)
		}
		between.AddCert(cert)
	}
	any := []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	if _, err := m.cert.Leaf.Verify(x509.VerifyOptions{Roots: m.cas, Intermediates: between, KeyUsages: any}); err != nil {
		return nil, fmt.Errorf("%s, by the authority of %s: %w", f.Cert, f.CA, err)
	}
	if m.role, err = RoleOf(m.cert.Leaf); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Cert, err)
	}
	return m, nil
}

// pair reads certificate and key. What crypto/tls says of a wrong pair names no file, so the files are read here.
func (f Files) pair() (tls.Certificate, error) {
	cert, err := os.ReadFile(f.Cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := os.ReadFile(f.Key)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s, %s: %w: %w", f.Cert, f.Key, ErrNotTheirKey, err)
	}
	return pair, nil
}

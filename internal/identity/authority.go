package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// Pair is a certificate and its key, in PEM.
type Pair struct {
	Cert, Key []byte
}

// early is how far back certificates begin: the clocks of two hosts may differ by less.
const early = 5 * time.Minute

// NewAuthority makes the certificate of a new authority, named for people, and its key.
func NewAuthority(name string, lasts time.Duration) (Pair, error) {
	template := certificate(name, lasts)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	template.MaxPathLenZero = true // it signs for members, and for no other authority
	return issue(template, nil)
}

// Issue makes the certificate of a member that has the given name for people and the given role, and its key. It ends with the authority's at the latest.
// Hosts are the names and addresses by which browsers call a server; nobody else looks at them.
func (authority Pair) Issue(name string, role Role, lasts time.Duration, hosts ...string) (Pair, error) {
	ca, err := tls.X509KeyPair(authority.Cert, authority.Key)
	if err != nil {
		return Pair{}, fmt.Errorf("authority: %w: %w", ErrNotTheirKey, err)
	}
	if !ca.Leaf.IsCA {
		return Pair{}, errors.New("authority: this certificate is a member's and cannot sign others")
	}
	template := certificate(name, lasts)
	if template.NotAfter.After(ca.Leaf.NotAfter) {
		template.NotAfter = ca.Leaf.NotAfter
	}
	template.DNSNames = []string{role.name()}
	for _, h := range hosts {
		if role != Server {
			return Pair{}, fmt.Errorf("%q: %w", h, ErrNoHost)
		}
		switch ip := net.ParseIP(h); {
		case ip != nil:
			template.IPAddresses = append(template.IPAddresses, ip)
		case h == "" || strings.ContainsAny(h, "*:/ ") || strings.HasSuffix(strings.ToLower(h), ".grafnode"):
			return Pair{}, fmt.Errorf("%q: %w", h, ErrNoHost)
		default:
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if role == Server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	return issue(template, &ca)
}

func certificate(name string, lasts time.Duration) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{ // x509 makes the serial number
		Subject:   pkix.Name{CommonName: name, Organization: []string{"grafnode"}},
		NotBefore: now.Add(-early),
		NotAfter:  now.Add(lasts),
	}
}

// issue signs by the authority, or by the new key itself without one.
func issue(template *x509.Certificate, ca *tls.Certificate) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	parent, signer := template, any(key)
	if ca != nil {
		parent, signer = ca.Leaf, ca.PrivateKey
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return Pair{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}, nil
}

// ReadPair reads the two files of a Pair.
func ReadPair(cert, key string) (p Pair, err error) {
	if p.Cert, err = os.ReadFile(cert); err == nil {
		p.Key, err = os.ReadFile(key)
	}
	return p, err
}

// Write makes the two files, the key's for its owner only. Neither may exist, and on an error neither is left.
func (p Pair) Write(cert, key string) error {
	if err := create(key, p.Key, 0o600); err != nil {
		return err
	}
	if err := create(cert, p.Cert, 0o644); err != nil {
		return errors.Join(err, os.Remove(key))
	}
	return nil
}

func create(path string, text []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

package identity

import (
	"crypto/x509"
	"errors"
	"fmt"
)

// Role is what a certificate is for.
type Role string

// The roles.
const (
	Server   Role = "server"   // a node: speaks Raft, serves all else, and may call all else
	Client   Role = "client"   // a program that uses the API with what its token allows
	Operator Role = "operator" // a person who runs the cluster
)

// Roles are all roles.
var Roles = []Role{Server, Client, Operator}

// Errors of certificates. All are terminal until somebody changes a file.
var (
	ErrNoRole      = errors.New("the certificate has no role: one of server.grafnode, client.grafnode and operator.grafnode must be among its DNS names")
	ErrWrongRole   = errors.New("the certificate has a role that may not do this")
	ErrNoHost      = errors.New("must be an address or a host's name, of a server, and none that ends in .grafnode, which are roles")
	ErrNotTheirKey = errors.New("certificate and key do not belong together")
)

// name returns the DNS name that a certificate of the role has.
func (r Role) name() string { return string(r) + ".grafnode" }

// RoleOf returns a certificate's role. With several it has the first in the order of Roles, which may do the most.
func RoleOf(cert *x509.Certificate) (Role, error) {
	for _, r := range Roles {
		if cert.VerifyHostname(r.name()) == nil {
			return r, nil
		}
	}
	return "", fmt.Errorf("%q: %w", cert.Subject.CommonName, ErrNoRole)
}

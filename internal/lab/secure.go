package lab

import (
	"time"

	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/pki"
)

// certificatesLast is longer than anybody tries something out.
const certificatesLast = 30 * 24 * time.Hour

// Secure gives the nodes certificates of an authority of their own, and keys for their gossip, as those need that others reach beyond loopback,
// and returns what an operator shows them. The files are in dir.
func Secure(nodes []Node, dir string) (operator identity.Files, err error) {
	files := pki.Dir(dir)
	names := make([]string, len(nodes))
	for i := range nodes {
		n := &nodes[i]
		names[i] = n.Name
		n.tls, n.gossipKeys = files.Files(n.Name), files.GossipKeys()
	}
	_, err = files.Setup(names, certificatesLast, certificatesLast)
	return files.Files(pki.Operator), err
}

// SecureArgs returns the arguments that tell an agent of what Secure made: none without it.
func (n Node) SecureArgs() []string {
	if n.gossipKeys == "" {
		return nil
	}
	return []string{"--tls-ca", n.tls.CA, "--tls-cert", n.tls.Cert, "--tls-key", n.tls.Key, "--gossip-keys", n.gossipKeys}
}

package transport

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/identity"
)

// errPlain is for who speaks HTTP without TLS to a node that wants it.
var errPlain = errors.New("HTTP without TLS")

// handshakeRecord is the first byte of every TLS connection.
const handshakeRecord = 0x16

// Secured is a TLS connection whose peer is known.
type Secured struct {
	*tls.Conn
	plain net.Conn
	role  identity.Role
	ends  *time.Timer // cuts it when its peer's certificate ends; nil: nothing does
}

// Role returns what the peer's certificate is for, "" if it showed none.
func (s *Secured) Role() identity.Role { return s.role }

// Close closes the connection beneath at once. TLS would say goodbye first, and wait behind a write that does not end.
func (s *Secured) Close() error {
	if s.ends != nil {
		s.ends.Stop()
	}
	return s.plain.Close()
}

// refusePlain answers who speaks HTTP without TLS. It is cut whether it hears that or not.
func refusePlain(c *conn) {
	_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n"+plainRefusal)
	_ = c.CloseWrite()
	_, _ = io.CopyN(io.Discard, c, requestMax) // closing with bytes unread would destroy what is on its way
}

var plainRefusal = func() string {
	text, err := json.Marshal(api.Errorf(api.KindInvalid, "this node speaks TLS only: give the certificate of the cluster's authority"))
	if err != nil {
		panic(err) // it is always the same
	}
	return string(text)
}()

// requestMax is how much of a request is read that is refused, bytes.
const requestMax = 64 << 10

// secure does the handshake on what has come for a use, whose deadline is set.
func (m *Mux) secure(c *conn, plain net.Conn, u use) (net.Conn, error) {
	if m.cfg.Identity == nil || u == useData {
		return plain, nil
	}
	var wanted []identity.Role
	if u == useRaft {
		wanted = []identity.Role{identity.Server}
	} else if first := plain.(*unread).rest; first[0] != handshakeRecord {
		refusePlain(c)
		return nil, errPlain
	}
	secured := &Secured{Conn: tls.Server(plain, m.cfg.Identity.Listening(wanted...)), plain: c}
	if err := secured.HandshakeContext(m.stop); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	var err error
	secured.role, err = identity.Peer(secured.ConnectionState())
	if shown := secured.ConnectionState().PeerCertificates; err == nil && u == useHTTP && len(shown) > 0 {
		// What it may ask it may ask for as long as the certificate lasts, and not as long as the connection. Nodes dial anew with what they have by then;
		// Raft's connections stay, so that a forgotten certificate does not end a cluster at once.
		secured.ends = time.AfterFunc(time.Until(shown[0].NotAfter), func() { _ = c.Close() })
	}
	return secured, err
}

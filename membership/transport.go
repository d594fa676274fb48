package membership

import (
	"context"
	"net"
	"time"

	"github.com/hashicorp/memberlist"
)

// transport is memberlist's own, except that its dialling ends with ctx: Close must not wait for a host that does not answer.
type transport struct {
	*memberlist.NetTransport
	ctx context.Context
}

// listenTries: with any free port, the one that TCP gets may be taken for UDP.
const listenTries = 10

func listen(ctx context.Context, cfg *memberlist.Config) (*transport, error) {
	tries := 1
	if cfg.BindPort == 0 {
		tries = listenTries
	}
	var err error
	for range tries {
		var t *memberlist.NetTransport
		t, err = memberlist.NewNetTransport(&memberlist.NetTransportConfig{
			BindAddrs: []string{cfg.BindAddr}, BindPort: cfg.BindPort, Logger: cfg.Logger,
		})
		if err == nil {
			return &transport{t, ctx}, nil
		}
	}
	return nil, err
}

// DialTimeout opens a TCP connection.
func (t *transport) DialTimeout(address string, timeout time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: timeout}
	return d.DialContext(t.ctx, "tcp", address)
}

// DialAddressTimeout opens a TCP connection to a node.
func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return t.DialTimeout(a.Addr, timeout)
}

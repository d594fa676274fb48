package membership

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/hashicorp/memberlist"
)

// transport is memberlist's own, except that its dialling ends with ctx, for Close must not wait for a host that does not answer, and that the streams
// of others are bounded.
type transport struct {
	*memberlist.NetTransport
	ctx     context.Context
	streams *streams
}

// listenTries: with any free port, the one that TCP gets may be taken for UDP.
const listenTries = 10

func listen(ctx context.Context, cfg *memberlist.Config, log *slog.Logger) (*transport, error) {
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
			return &transport{t, ctx, openStreams(t.StreamCh(), log)}, nil
		}
	}
	return nil, err
}

// StreamCh returns the connections of others that are taken on.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams.taken }

// Shutdown closes the ports and waits until nobody is taken on any more.
func (t *transport) Shutdown() error {
	err := t.NetTransport.Shutdown() // it may have one more to hand over
	t.streams.close()
	return err
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

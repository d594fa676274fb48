package tcp

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
)

// tls13 returns a copy of c for a connection between hosts: TLS 1.3, and long records from the start, because what is sent comes in
// long writes.
func tls13(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.MinVersion = tls.VersionTLS13
	c.DynamicRecordSizingDisabled = true
	return c
}

// secure makes a TLS connection of conn; side is tls.Client or tls.Server. It blocks for the handshake, as long as ctx lets it.
func secure(ctx context.Context, conn net.Conn, c *tls.Config, side func(net.Conn, *tls.Config) *tls.Conn) (net.Conn, error) {
	corked := &corked{Conn: conn}
	t := side(corked, tls13(c))
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return &secured{Conn: t, corked: corked}, nil
}

// secured is a TLS connection on which a frame is one system call, though TLS writes record by record.
type secured struct {
	*tls.Conn
	corked *corked
}

// Close closes the connection beneath at once. TLS would send its own goodbye first, and wait behind a write that does not end; who
// leaves in good order has said it by CloseWrite.
func (s *secured) Close() error { return s.corked.Close() }

// writeFrame sends a frame that lies in several places. One goroutine at a time.
func (s *secured) writeFrame(parts ...[]byte) error {
	s.corked.hold()
	for _, b := range parts {
		if _, err := s.Write(b); err != nil {
			return err
		}
	}
	return s.corked.let()
}

// corked keeps back what is written while it is held. TLS writes from reading goroutines too, hence the lock.
type corked struct {
	net.Conn
	mu   sync.Mutex
	kept *bytes.Buffer // of a held connection, else nil
}

// corks are buffers for what is kept: no more than are being written at a time.
var corks = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (c *corked) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept != nil {
		return c.kept.Write(b)
	}
	return c.Conn.Write(b)
}

func (c *corked) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = corks.Get().(*bytes.Buffer)
}

// let sends what was kept, in one system call.
func (c *corked) let() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.kept
	c.kept = nil
	_, err := c.Conn.Write(kept.Bytes())
	kept.Reset()
	corks.Put(kept)
	return err
}

package tcpconn

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/grafnode/grafnode/internal/detour"
)

// UserTimeout is how long sent data may stay unacknowledged before the kernel ends the connection.
const UserTimeout = 5 * time.Second

// An idle connection is probed after keepAlive.Idle and given up UserTimeout after its last sign of life.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 2 * time.Second, Interval: time.Second, Count: 3}

// Dial connects to address ("host:port"), tunes the connection and sends preface. It blocks until then, or until ctx ends; ctx
// has no bearing on the connection afterwards, which is the caller's to close.
func Dial(ctx context.Context, address, preface string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1} // set by Tune, for both ends in one place
	c, err := dialer.DialContext(ctx, "tcp", detour.To(address))
	if err != nil {
		return nil, err
	}
	conn := c.(*net.TCPConn) // what network "tcp" gives
	if err := begin(ctx, conn, preface); err != nil {
		_ = conn.Close() // the first error says more
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return conn, nil
}

func begin(ctx context.Context, conn *net.TCPConn, preface string) error {
	if err := Tune(conn); err != nil {
		return err
	}
	// A preface always fits the send buffer of a new connection, so this does not block and needs no deadline.
	if _, err := conn.Write([]byte(preface)); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// SetUserTimeout is for a connection whose users agree on how long the peer may be silent: its kernel is to be as patient, on sent
// data and on probes of an idle connection.
func SetUserTimeout(conn syscall.Conn, d time.Duration) error { return setUserTimeout(conn, d) }

// Tune makes the kernel notice a dead peer on conn. (No delay of small writes is Go's default.)
func Tune(conn *net.TCPConn) error {
	if err := conn.SetKeepAliveConfig(keepAlive); err != nil {
		return fmt.Errorf("keepalive: %w", err)
	}
	if err := setUserTimeout(conn, UserTimeout); err != nil {
		return fmt.Errorf("user timeout: %w", err)
	}
	return nil
}

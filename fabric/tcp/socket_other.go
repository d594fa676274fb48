//go:build !linux

package tcp

import "net"

// plain is Linux's: elsewhere all connections are read as TLS is.
type plain struct{}

func newPlain(net.Conn, func() error) *plain { return nil }

func (*plain) read([]byte, []byte) (int, error) { return 0, nil }

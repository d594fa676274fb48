//go:build !linux

package fdconn

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// Credentials say who is at the other end of a Unix socket.
type Credentials struct{ PID, UID, GID int }

// Peer is unsupported off Linux; there the socket's file mode says who may connect.
func Peer(*net.UnixConn) (Credentials, error) {
	return Credentials{}, fmt.Errorf("fdconn: peer credentials: %w", errors.ErrUnsupported)
}

func sendFiles(*net.UnixConn, []byte, []*os.File) (int, error) {
	return 0, fmt.Errorf("fdconn: descriptors: %w", errors.ErrUnsupported)
}

func receiveSome(sock *net.UnixConn, b []byte) (int, []*os.File, error) {
	n, err := sock.Read(b)
	return n, nil, err
}

package tcp

import (
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// plain reads a connection without TLS: in one system call into two places, and it says before it sleeps that nothing more has come.
// One goroutine.
type plain struct {
	raw  syscall.RawConn
	idle func() error // its error ends the read

	// Of the read under way.
	into [2][]byte
	n    int
	err  error
	try  func(fd uintptr) bool // reads, and reports whether that was all; made once
}

// newPlain returns how conn is read, or nil if it is more than a socket.
func newPlain(conn net.Conn, idle func() error) *plain {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	p := &plain{raw: raw, idle: idle}
	p.try = p.once
	return p
}

// read reads what there is, a byte at least, into b and the rest into more. Deadlines are the connection's.
func (p *plain) read(b, more []byte) (int, error) {
	p.into, p.n, p.err = [2][]byte{b, more}, 0, nil
	err := p.raw.Read(p.try)
	p.into = [2][]byte{} // they may be lent out for this read only
	if err != nil {
		return 0, err
	}
	return p.n, p.err
}

func (p *plain) once(fd uintptr) bool {
	p.n, p.err = unix.Readv(int(fd), p.into[:])
	for errors.Is(p.err, unix.EINTR) {
		p.n, p.err = unix.Readv(int(fd), p.into[:])
	}
	switch {
	case p.err == unix.EAGAIN: //nolint:errorlint // what the kernel said, nobody wrapped it
		p.n, p.err = 0, p.idle()
		return p.err != nil
	case p.err != nil:
		p.n = 0
	case p.n == 0:
		p.err = io.EOF
	}
	return true
}

package flow

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// dialMax is how long the other end may take to listen.
const dialMax = 30 * time.Second

// Socket opens a Link over a socket; the address is "unix:PATH" or "tcp:HOST:PORT". The end that begins dials. A batch is one
// write.
func Socket(begins bool, address string, l Load) (Link, error) {
	network, at, ok := strings.Cut(address, ":")
	if !ok {
		return nil, fmt.Errorf("%q is no address: want NETWORK:ADDRESS", address)
	}
	s := &socket{out: make([]byte, 0, l.Bytes*l.Batch), in: make([]byte, max(64<<10, 2*l.Bytes))}
	if !begins {
		listener, err := net.Listen(network, at)
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		s.Conn, err = listener.Accept()
		return s, err
	}
	var err error
	for began := time.Now(); time.Since(began) < dialMax; time.Sleep(time.Millisecond) {
		if s.Conn, err = net.Dial(network, at); err == nil {
			return s, nil
		}
	}
	return nil, err
}

type socket struct {
	net.Conn
	out         []byte
	in          []byte
	first, last int // in holds what has been received from first to last
}

func (s *socket) Claim(n int) ([]byte, error) {
	if len(s.out)+n > cap(s.out) {
		if err := s.Flush(); err != nil {
			return nil, err
		}
	}
	s.out = s.out[:len(s.out)+n]
	return s.out[len(s.out)-n:], nil
}

func (s *socket) Commit() error { return nil }

func (s *socket) Flush() error {
	if len(s.out) == 0 {
		return nil
	}
	_, err := s.Write(s.out)
	s.out = s.out[:0]
	return err
}

func (s *socket) Next(n int) ([]byte, error) {
	for s.last-s.first < n {
		if s.first > 0 {
			s.last = copy(s.in, s.in[s.first:s.last])
			s.first = 0
		}
		got, err := s.Read(s.in[s.last:])
		if err != nil {
			return nil, err
		}
		s.last += got
	}
	s.first += n
	return s.in[s.first-n : s.first], nil
}

package transport

import (
	"io"
	"net"
	"strings"

	"github.com/grafnode/grafnode/api"
)

// use is what a connection is for.
type use int

const (
	useHTTP use = iota
	useRaft
	useData
	usesMax
)

// prefaces by use. None is the beginning of another, and all have one length, so that reading one never takes a byte of what
// follows it.
var prefaces = [usesMax]string{useRaft: api.PrefaceRaft, useData: api.PrefaceData}

const prefaceMax = len(api.PrefaceRaft)

var _ = [1]struct{}{}[len(api.PrefaceRaft)-len(api.PrefaceData)]

// readPreface reads from r into room (prefaceMax bytes) no further than needed to tell r's use. For HTTP the bytes read are
// part of what follows.
func readPreface(r io.Reader, room []byte) (use, []byte, error) {
	read := room[:0]
	for {
		n, err := r.Read(room[len(read):])
		read = room[:len(read)+n]
		if u, known := useOf(string(read)); known {
			return u, read, nil
		}
		if err != nil {
			return 0, read, err
		}
	}
}

// useOf returns the use that read tells, or false if more bytes are needed.
func useOf(read string) (u use, known bool) {
	for u, preface := range prefaces {
		switch {
		case preface == "":
		case read == preface:
			return use(u), true
		case strings.HasPrefix(preface, read):
			return 0, false
		}
	}
	return useHTTP, true
}

// unread is a connection with bytes put back. It embeds the interface, not *conn: the faster ways past Read that a TCP
// connection offers (io.WriterTo) would skip those bytes.
type unread struct {
	net.Conn
	rest []byte
}

func (c *unread) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

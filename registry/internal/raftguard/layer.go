package raftguard

import (
	"net"
	"sync"

	"github.com/hashicorp/raft"
)

// layer is a stream layer that closes the connections it has accepted when it is closed. Raft's transport leaves that to the
// other end, and its goroutines with them.
type layer struct {
	raft.StreamLayer

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

func newLayer(inner raft.StreamLayer) *layer {
	return &layer{StreamLayer: inner, conns: map[net.Conn]struct{}{}}
}

func (l *layer) Accept() (net.Conn, error) {
	c, err := l.StreamLayer.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = c.Close() // accepted too late; reading it will say so
	}
	l.conns[c] = struct{}{}
	return &accepted{Conn: c, layer: l}, nil
}

// Close closes the listener and all that it has accepted.
func (l *layer) Close() error {
	err := l.StreamLayer.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for c := range l.conns {
		_ = c.Close() // nobody is left to be told
	}
	return err
}

type accepted struct {
	net.Conn
	layer *layer
}

func (a *accepted) Close() error {
	a.layer.mu.Lock()
	defer a.layer.mu.Unlock()
	delete(a.layer.conns, a.Conn)
	return a.Conn.Close()
}

package raftguard

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// layer is a stream layer whose connections are named, and that closes those it has accepted when it is closed. Raft's transport
// leaves that to the other end, and its goroutines with them.
type layer struct {
	raft.StreamLayer
	self raft.ServerID
	own  atomic.Pointer[Allegiance] // stored by Transport.Belong, loaded for each connection

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

func newLayer(inner raft.StreamLayer, self raft.ServerID) *layer {
	l := &layer{StreamLayer: inner, self: self, conns: map[net.Conn]struct{}{}}
	l.own.Store(&Allegiance{})
	return l
}

// Dial connects to the server that address names.
func (l *layer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return dialNamed(l.StreamLayer, address, timeout, *l.own.Load())
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

// accepted is a connection from a peer. One goroutine reads it.
type accepted struct {
	net.Conn
	layer *layer
	named bool // its name has been read, and is this server's
}

// Read reads the name first, and not in Accept: that must not wait for a peer that says nothing.
func (a *accepted) Read(b []byte) (int, error) {
	if !a.named {
		if err := readName(a.Conn, a.layer.self, *a.layer.own.Load()); err != nil {
			return 0, err
		}
		a.named = true
	}
	return a.Conn.Read(b)
}

func (a *accepted) Close() error {
	a.layer.mu.Lock()
	defer a.layer.mu.Unlock()
	delete(a.layer.conns, a.Conn)
	return a.Conn.Close()
}

package raftguard

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/grafnode/grafnode/internal/refusals"
)

// layerConfig is what a layer says to its peers, and how it decides whom to talk to.
type layerConfig struct {
	Layer   raft.StreamLayer
	Self    raft.ServerID
	Cluster func() string // the cluster this node belongs to; "": none yet
	Strict  func() bool   // who does not say his cluster is refused
	Index   func() uint64 // last log entry
	Lost    func(from raft.ServerID, process uint64)
	Opinion func(about raft.ServerID, process uint64) bool // whether that start of that node is gone, as seen from here
	Logger  *slog.Logger
}

// layer is a stream layer whose connections begin with a hello, and that closes them all when it is closed. Raft's transport leaves
// that to the other end, and its goroutines with them.
type layer struct {
	layerConfig
	process uint64

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
	closer sync.Once
	err    error // of closing
}

func newLayer(c layerConfig) *layer {
	return &layer{layerConfig: c, process: newProcess(), conns: map[net.Conn]struct{}{}}
}

func (l *layer) Addr() net.Addr { return l.Layer.Addr() }

func (l *layer) Accept() (net.Conn, error) {
	c, err := l.Layer.Accept()
	if err != nil {
		return nil, err
	}
	return &accepted{tracked: l.keep(c)}, nil
}

// keep notes a connection until it is closed.
func (l *layer) keep(c net.Conn) *tracked {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = c.Close() // made too late; using it will say so
	}
	l.conns[c] = struct{}{}
	return &tracked{Conn: c, layer: l}
}

// Close closes the listener and all connections. Idempotent.
func (l *layer) Close() error {
	l.closer.Do(func() {
		l.err = l.Layer.Close()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.closed = true
		for c := range l.conns {
			_ = c.Close() // nobody is left to be told
		}
	})
	return l.err
}

func (l *layer) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

type tracked struct {
	net.Conn
	layer *layer
}

func (t *tracked) Close() error {
	t.layer.mu.Lock()
	defer t.layer.mu.Unlock()
	delete(t.layer.conns, t.Conn)
	return t.Conn.Close()
}

// accepted is a connection from a peer. One goroutine reads it.
type accepted struct {
	*tracked
	greeted bool
	peer    hello
}

// Read reads the hello first, and not in Accept: that must not wait for a peer that says nothing.
func (a *accepted) Read(b []byte) (int, error) {
	if !a.greeted {
		if err := a.greet(); err != nil {
			a.layer.Logger.Debug("raft connection ended before its first message", "address", a.RemoteAddr(), "error", err)
			return 0, io.EOF
		}
		a.greeted = true
	}
	n, err := a.Conn.Read(b)
	if err != nil && a.layer.isClosed() {
		return n, io.EOF // or Raft would log an error whenever the node stops
	}
	if err != nil && a.peer.from != "" {
		a.layer.Lost(a.peer.from, a.peer.process)
		a.peer.from = "" // once
	}
	return n, err
}

// greet reads a peer's hello and answers it. Only a connection that is for Raft and from a peer that this node may talk to is
// read on; of the others io.EOF is all that Raft hears: it would make an error of its own log of each.
func (a *accepted) greet() error {
	h, err := readHello(a.Conn)
	if errors.Is(err, errOld) {
		return a.layer.admitOld(h.to, a.RemoteAddr())
	}
	if err != nil && !errors.Is(err, errHello) {
		return err
	}
	answer := a.layer.hello(isFine, h.from)
	if err != nil {
		answer.kind = isMalformed
		a.layer.refuse("the peer's hello is none that this version understands", a.RemoteAddr().String(), "error", err)
	} else {
		answer.kind, err = a.layer.judge(h, a.RemoteAddr())
	}
	b, failed := answer.bytes()
	if failed == nil {
		_, failed = a.Write(b)
	}
	if err != nil {
		return err
	}
	a.peer = h
	return failed
}

// judge returns the answer to a hello, and an error if nothing is to follow.
func (l *layer) judge(h hello, remote net.Addr) (kind, error) {
	switch {
	case h.to != l.Self:
		l.Logger.Debug("raft connection refused: meant for another server", "node", h.from, "for", h.to, "self", l.Self)
		return isAnotherServer, ErrAnotherServer
	case mixes(h.cluster, l.Cluster()):
		l.refuse("the peer belongs to another cluster", remote.String(), "node", h.from, "cluster", l.Cluster(), "peer_cluster", h.cluster)
		return isAnotherCluster, ErrAnotherCluster
	case h.kind == forRaft && h.cluster == "" && l.Strict():
		l.refuse("the peer belongs to no cluster", remote.String(), "node", h.from, "cluster", l.Cluster())
		return isAnotherCluster, ErrAnotherCluster
	case h.kind == forRaft:
		return isFine, nil
	case h.kind == forProbe:
		return isFine, io.EOF
	case h.kind == forOpinion && l.Opinion(h.about, h.process):
		return isGone, io.EOF
	case h.kind == forOpinion:
		return isAlive, io.EOF
	default:
		return isMalformed, errHello
	}
}

// refuse says why a peer is not talked to.
func (l *layer) refuse(why, address string, args ...any) {
	host, _, _ := net.SplitHostPort(address) // it has been dialled, or accepted
	l.Logger.With(refusals.Peer, host, "address", address).Warn("raft connection refused: "+why, args...)
}

func (l *layer) admitOld(to raft.ServerID, from net.Addr) error {
	if l.Strict() {
		l.refuse("the peer does not say which cluster it belongs to, as version 0.1.0", from.String(), "cluster", l.Cluster())
		return errOld
	}
	if to != l.Self {
		return ErrAnotherServer
	}
	return nil
}

package raftguard

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/raft"
)

// Dial connects to the server that address names, for Raft.
func (l *layer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	id, target, err := meantFor(address)
	if err != nil {
		return nil, err
	}
	conn, answer, err := l.greet(l.hello(forRaft, id), target, timeout)
	if wrong := l.refusal(answer, id, target); wrong != nil {
		return nil, wrong
	}
	if err != nil && answer.process == 0 && !isTimeout(err) && !isRefused(err) && !l.Strict() {
		return l.dialOld(id, target, timeout)
	}
	if err != nil {
		return nil, err
	}
	return l.keep(conn), nil
}

// hello returns what this node says of itself.
func (l *layer) hello(k kind, to raft.ServerID) hello {
	return hello{kind: k, process: l.process, index: l.Index(), from: l.Self, to: to, cluster: l.Cluster()}
}

// greet connects, says h and returns the answer. The connection is closed if there is an error or the answer is a refusal.
func (l *layer) greet(h hello, target raft.ServerAddress, timeout time.Duration) (conn net.Conn, answer hello, err error) {
	b, err := h.bytes()
	if err != nil {
		return nil, answer, err
	}
	began := time.Now()
	if conn, err = l.Layer.Dial(target, timeout); err != nil {
		return nil, answer, err
	}
	if timeout > 0 {
		err = conn.SetDeadline(began.Add(timeout))
	}
	if err == nil {
		_, err = conn.Write(b)
	}
	if err == nil {
		answer, err = readHello(conn)
	}
	if err == nil && answer.kind != isFine {
		err = fmt.Errorf("%s answers %d to a hello", target, answer.kind)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, answer, errors.Join(err, conn.Close())
	}
	return conn, answer, nil
}

// refusal logs that a peer must not be talked to, and returns it as an error. The peer has done the same.
func (l *layer) refusal(answer hello, id raft.ServerID, target raft.ServerAddress) error {
	switch answer.kind {
	case isAnotherServer:
		return fmt.Errorf("%s is %s, not %s: %w", target, answer.from, id, ErrAnotherServer)
	case isAnotherCluster:
		l.refuse("the peer belongs to another cluster", string(target), "node", id, "cluster", l.Cluster(), "peer_cluster", answer.cluster)
		return fmt.Errorf("%s is of cluster %s, this node of %s: %w", target, answer.cluster, l.Cluster(), ErrAnotherCluster)
	}
	return nil
}

// dialOld connects to a node of version 0.1.0, which closes the connection upon a hello that it does not know, and to which a name
// behind its length is all. As soon as the state says that there are none of these any more it is not tried (Strict).
func (l *layer) dialOld(id raft.ServerID, target raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	conn, err := l.Layer.Dial(target, timeout)
	if err != nil {
		return nil, err
	}
	_, err = conn.Write(append([]byte{byte(len(id))}, id...)) // fits into any socket's buffer: does not block
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return l.keep(conn), nil
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

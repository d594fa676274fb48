package raftguard

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/hashicorp/raft"
)

// Raft's messages say who sends them, not whom they are meant for: whoever listens at a server's address is taken for that
// server. A node that was wiped and started again at its old address would vote as the one that was there, without
// knowing what that one had promised, and a committed entry could be lost. So every connection begins with the ID of the server
// that it is meant for, and nobody reads on under a name that is not his.
//
// On the way to the dialler the name travels in the address, "id@host:port", because that is all a stream layer is given; a
// connection in the transport's pool is therefore one server's too. On the wire it is a byte with its length, then the name.

// named is raft's network transport, with the server's name in each address.
type named struct{ *raft.NetworkTransport }

func meant(id raft.ServerID, target raft.ServerAddress) raft.ServerAddress {
	return raft.ServerAddress(id) + "@" + target
}

// AppendEntries sends the server id entries, or a heartbeat.
func (n named) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	return n.NetworkTransport.AppendEntries(id, meant(id, target), args, resp)
}

// RequestVote asks the server id for its vote.
func (n named) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	return n.NetworkTransport.RequestVote(id, meant(id, target), args, resp)
}

// RequestPreVote asks the server id whether it would vote.
func (n named) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	return n.NetworkTransport.RequestPreVote(id, meant(id, target), args, resp)
}

// InstallSnapshot sends the server id a snapshot.
func (n named) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	return n.NetworkTransport.InstallSnapshot(id, meant(id, target), args, resp, data)
}

// TimeoutNow has the server id campaign at once.
func (n named) TimeoutNow(id raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	return n.NetworkTransport.TimeoutNow(id, meant(id, target), args, resp)
}

// dialNamed connects to an address that meant made, and says whom the connection is meant for.
func dialNamed(inner raft.StreamLayer, address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	at := strings.LastIndexByte(string(address), '@') // a host has none, an ID might
	if at < 1 || at > 255 {
		return nil, fmt.Errorf("address %q has no server's name of 1 to 255 bytes", address)
	}
	conn, err := inner.Dial(address[at+1:], timeout)
	if err != nil {
		return nil, err
	}
	_, err = conn.Write(append([]byte{byte(at)}, address[:at]...)) // fits into any socket's buffer: does not block
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// readName reads whom a connection is meant for, and returns an error if that is not self.
func readName(conn io.Reader, self raft.ServerID) error {
	var b [1 + 255]byte
	if _, err := io.ReadFull(conn, b[:1]); err != nil {
		return err
	}
	name := b[1:][:b[0]]
	if _, err := io.ReadFull(conn, name); err != nil {
		return err
	}
	if raft.ServerID(name) != self {
		return fmt.Errorf("connection is meant for server %q, this is %q", name, self)
	}
	return nil
}

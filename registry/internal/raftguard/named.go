package raftguard

import (
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/raft"
)

// Raft's messages say who sends them, not whom they are meant for: whoever listens at a server's address is taken for that
// server. A node that was wiped and started again at its old address would vote as the one that was there, without
// knowing what that one had promised, and a committed entry could be lost. So every connection begins with the ID of the server
// that it is meant for (see hello), and nobody reads on under a name that is not his.
//
// On the way to the dialler the name travels in the address, "id@host:port", because that is all a stream layer is given; a
// connection in the transport's pool is therefore one server's too.

// named is raft's network transport, with the server's name in each address.
type named struct{ *raft.NetworkTransport }

func meant(id raft.ServerID, target raft.ServerAddress) raft.ServerAddress {
	return raft.ServerAddress(id) + "@" + target
}

// meantFor is the other way round.
func meantFor(address raft.ServerAddress) (raft.ServerID, raft.ServerAddress, error) {
	at := strings.LastIndexByte(string(address), '@') // a host has none, an ID might
	if at < 1 || at > textMax {
		return "", "", fmt.Errorf("address %q has no server's name of 1 to %d bytes", address, textMax)
	}
	return raft.ServerID(address[:at]), address[at+1:], nil
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

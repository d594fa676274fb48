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
// connection in the transport's pool is therefore one server's too. On the wire it is a byte with its length, then the name, and
// after a blank the cluster's ID. 0.1.0 says and understands no cluster, so it is said where nobody of 0.1.0 can be left, and demanded
// where old members would do harm: in a cluster that was recovered without them, whose server has kept its ID.

// Allegiance is what a server knows of its cluster.
type Allegiance struct {
	Cluster string // empty: it has none yet, and lets those of any talk to it
	Say     bool   // name it to others
	Demand  bool   // let nobody talk to this server who does not name it
}

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

// nameMax is how long a name may be, with the cluster's.
const nameMax = 255

// dialNamed connects to an address that meant made, and says whom the connection is meant for.
func dialNamed(inner raft.StreamLayer, address raft.ServerAddress, timeout time.Duration, own Allegiance) (net.Conn, error) {
	at := strings.LastIndexByte(string(address), '@') // a host has none, an ID might
	name := string(address[:max(at, 0)])
	if own.Say && own.Cluster != "" {
		name += " " + own.Cluster
	}
	if at < 1 || len(name) > nameMax {
		return nil, fmt.Errorf("address %q has no server's name of 1 to %d bytes", address, nameMax)
	}
	conn, err := inner.Dial(address[at+1:], timeout)
	if err != nil {
		return nil, err
	}
	_, err = conn.Write(append([]byte{byte(len(name))}, name...)) // fits into any socket's buffer: does not block
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// readName reads whom a connection is meant for, and returns an error if that is not self, or if it comes from another cluster.
func readName(conn io.Reader, self raft.ServerID, own Allegiance) error {
	var b [1 + nameMax]byte
	if _, err := io.ReadFull(conn, b[:1]); err != nil {
		return err
	}
	name := b[1:][:b[0]]
	if _, err := io.ReadFull(conn, name); err != nil {
		return err
	}
	id, cluster, _ := strings.Cut(string(name), " ")
	switch {
	case raft.ServerID(id) != self:
		return fmt.Errorf("connection is meant for server %q, this is %q", id, self)
	case own.Cluster == "" || cluster == own.Cluster || cluster == "" && !own.Demand:
		return nil
	}
	return fmt.Errorf("connection comes from cluster %q, this is %q: wipe the server that it comes from if the cluster was recovered without it",
		cluster, own.Cluster)
}

package raftguard

import (
	"io"
	"sync"

	"github.com/hashicorp/raft"
)

// sieve stands between the network and raft, and keeps snapshots from it of which its log has the last entry: by the log matching
// property it has all that is in them, and all that it needs to do is to say so (Ongaro's thesis, figure 5.3: "retain log entries
// following it and reply"). Raft would throw its whole log away, since our stores must have no gaps, and go on in memory as if it had it
// (installSnapshot leaves lastLog as it was): its next entry leaves a gap, or it panics on reading one. A follower can be that far
// ahead of what a leader knows of it when answers are lost.
type sieve struct {
	from    <-chan raft.RPC
	to      chan raft.RPC
	has     func(index, term uint64) bool
	done    chan struct{}
	closing sync.Once
	running sync.WaitGroup
}

func newSieve(from <-chan raft.RPC, has func(index, term uint64) bool) *sieve {
	s := &sieve{from: from, to: make(chan raft.RPC), has: has, done: make(chan struct{})}
	s.running.Go(s.run)
	return s
}

func (s *sieve) run() {
	for {
		select {
		case rpc := <-s.from:
			if s.answered(rpc) {
				continue
			}
			select {
			case s.to <- rpc:
			case <-s.done:
				return
			}
		case <-s.done:
			return
		}
	}
}

// answered answers a snapshot of what the log has. What it says is true in any term: what a snapshot holds is committed.
func (s *sieve) answered(rpc raft.RPC) bool {
	request, ok := rpc.Command.(*raft.InstallSnapshotRequest)
	if !ok || s.has == nil || !s.has(request.LastLogIndex, request.LastLogTerm) {
		return false
	}
	if rpc.Reader != nil {
		_, _ = io.Copy(io.Discard, rpc.Reader) // the next message on the connection begins behind it
	}
	rpc.Respond(&raft.InstallSnapshotResponse{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}, Term: request.Term, Success: true,
	}, nil)
	return true
}

func (s *sieve) close() {
	s.closing.Do(func() { close(s.done) })
	s.running.Wait()
}

// Consumer returns the requests of others, but for the snapshots that are not needed.
func (t *Transport) Consumer() <-chan raft.RPC { return t.sieve.to }

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
//
// It also helps raft where it has forgotten what it has: raft asks its log for the entry before those that it is sent, and if
// that went into a snapshot it refuses them, however they go on from it; the next thing that comes is the same snapshot again.
type sieve struct {
	from    <-chan raft.RPC
	to      chan raft.RPC
	log     Held
	done    chan struct{}
	closing sync.Once
	running sync.WaitGroup
}

// Held is what the transport asks about a node's own log and snapshots; Store is one.
type Held interface {
	// Holds reports whether the node has the entry at index, of term, and all before.
	Holds(index, term uint64) bool
	// Compacted returns where the newest snapshot ends, if it has the entry at index and the log does not any more.
	Compacted(index uint64) (end, term uint64, ok bool)
}

func newSieve(from <-chan raft.RPC, log Held) *sieve {
	s := &sieve{from: from, to: make(chan raft.RPC), log: log, done: make(chan struct{})}
	s.running.Go(s.run)
	return s
}

// run passes requests on one at a time, and waits for raft's answer to each: what the log has when the next one is looked at, it
// has when raft comes to that. Raft does one after the other anyway.
func (s *sieve) run() {
	for {
		select {
		case rpc := <-s.from:
			if s.log != nil {
				if s.answered(rpc) {
					continue
				}
				s.trim(rpc)
			}
			if !s.pass(rpc) {
				return
			}
		case <-s.done:
			return
		}
	}
}

// pass has raft answer rpc; false: it has stopped.
func (s *sieve) pass(rpc raft.RPC) bool {
	asker, answer := rpc.RespChan, make(chan raft.RPCResponse, 1)
	rpc.RespChan = answer
	select {
	case s.to <- rpc:
	case <-s.done:
		return false
	}
	select {
	case response := <-answer:
		asker <- response
		return true
	case <-s.done:
		return false
	}
}

// answered answers a snapshot of what the log has. What it says is true in any term: what a snapshot holds is committed.
func (s *sieve) answered(rpc raft.RPC) bool {
	request, ok := rpc.Command.(*raft.InstallSnapshotRequest)
	if !ok || !s.log.Holds(request.LastLogIndex, request.LastLogTerm) {
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

// trim cuts off an append what the newest snapshot has, if the log does not have the entry before any more and the append has the
// snapshot's last entry: by the log matching property the rest goes on from it, and raft need not compare anything.
func (s *sieve) trim(rpc raft.RPC) {
	request, ok := rpc.Command.(*raft.AppendEntriesRequest)
	if !ok || request.PrevLogEntry == 0 {
		return
	}
	end, term, ok := s.log.Compacted(request.PrevLogEntry)
	if !ok {
		return
	}
	rest, with := request.Entries, request.PrevLogTerm
	for at := request.PrevLogEntry; at < end; at++ {
		if len(rest) == 0 {
			return // it ends before the snapshot does
		}
		rest, with = rest[1:], rest[0].Term
	}
	if with == term {
		request.Entries, request.PrevLogEntry, request.PrevLogTerm = rest, 0, 0
		request.LeaderCommitIndex = min(request.LeaderCommitIndex, end+uint64(len(rest))) // nobody has compared what the log has beyond
	}
}

func (s *sieve) close() {
	s.closing.Do(func() { close(s.done) })
	s.running.Wait()
}

// Consumer returns the requests of others, but for the snapshots that are not needed.
func (t *Transport) Consumer() <-chan raft.RPC { return t.sieve.to }

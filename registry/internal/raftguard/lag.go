package raftguard

import (
	"io"

	"github.com/hashicorp/raft"
)

// What is sent ahead can take a follower further than raft knows. Raft then sends entries that the follower has, perhaps long
// after it has compacted them, and at last a snapshot of what it has; and a follower whose store must have no gaps throws its
// whole log away when a snapshot comes, but goes on in memory as if it had it (raft.go's installSnapshot leaves lastLog as it was):
// its next entry leaves a gap, or it panics on reading one. So whenever raft comes with what the follower of this term is known to
// have, it is asked instead whether it has it still, and its answer is raft's answer.

// question returns the append that asks a follower whether it has what it had in term; false: it is not known to have index.
func (h *herald) question(id raft.ServerID, term, index uint64) (raft.AppendEntriesRequest, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.peers[id]
	if f == nil || term == 0 || f.request.Term != term || f.request.PrevLogEntry < index {
		return raft.AppendEntriesRequest{}, false
	}
	q := f.request
	q.LeaderCommitIndex = h.news(f)
	return q, true
}

// has asks a follower whether it has the entries up to index still, if it is known to have had them in term; false: it is not.
func (t *Transport) has(id raft.ServerID, target raft.ServerAddress, term, index uint64, answer *raft.AppendEntriesResponse) (bool, error) {
	question, ok := t.news.question(id, term, index)
	if !ok {
		return false, nil
	}
	err := t.named.AppendEntries(id, target, &question, answer)
	if err == nil {
		t.news.answered(id, &question, answer.Success)
	}
	if err != nil || !answer.Success {
		t.news.forget(id) // leave it to raft: the next time it sends what it has to send
	}
	return true, err
}

// forget drops what is known of a follower's log.
func (h *herald) forget(id raft.ServerID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.peers[id]; f != nil {
		f.request.Term = 0
	}
}

// InstallSnapshot sends the server id a snapshot, unless its log has all that is in it.
func (t *Transport) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest,
	resp *raft.InstallSnapshotResponse, data io.Reader) error {
	var answer raft.AppendEntriesResponse
	asked, err := t.has(id, target, args.Term, args.LastLogIndex, &answer)
	if err != nil {
		return err
	}
	if asked && (answer.Success || answer.Term > args.Term) {
		*resp = raft.InstallSnapshotResponse{RPCHeader: answer.RPCHeader, Term: answer.Term, Success: answer.Success}
		return nil
	}
	return t.named.InstallSnapshot(id, target, args, resp, data)
}

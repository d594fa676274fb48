package raftguard

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// herald tells followers what is committed. Raft itself tells them with the next append, or after CommitTimeout, which with
// its default is 50 to 100 ms: too late for a node that waits for a change to be applied before it may serve it, and a shorter
// CommitTimeout costs idle clusters a steady stream of messages.
//
// What it sends is an append of no entries that says: your log matches mine up to prev, and I have committed up to min(commit,
// prev). Raft could have sent the same, and it is true whenever it arrives: prev was acknowledged to this leader in this term,
// and the entry at commit was logged in this term, so that it is this leader's and everything below it is too.
type herald struct {
	send func(raft.ServerID, raft.ServerAddress, *raft.AppendEntriesRequest, *raft.AppendEntriesResponse) error

	mu      sync.Mutex
	index   uint64 // last committed that is known here
	term    uint64 // of the entry at index
	peers   map[raft.ServerID]*follower
	stopped bool
	running sync.WaitGroup
}

// follower is what the leader knows of one follower's log.
type follower struct {
	target  raft.ServerAddress
	request raft.AppendEntriesRequest // the append to send, but for the commit index
	told    uint64                    // highest commit index sent in request.Term
	busy    bool                      // a goroutine is sending to it

	progress Progress
}

// Progress is how far a follower has come, as its answers to this node's own appends and heartbeats of one term show it.
type Progress struct {
	Term    uint64    // of the newest request that was answered; zero: none was
	Matched uint64    // its log is this node's up to here; zero: not known in Term yet
	Contact time.Time // when it last answered
}

// answered notes that a follower has answered args, whatever it said.
func (h *herald) answered(id raft.ServerID, args *raft.AppendEntriesRequest, success bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.peers[id]
	if f == nil {
		f = &follower{}
		h.peers[id] = f
	}
	p := &f.progress
	if args.Term < p.Term {
		return // an answer to an earlier leadership of this node
	}
	if args.Term > p.Term {
		*p = Progress{Term: args.Term}
	}
	p.Contact = time.Now()
	if success {
		last, _ := end(args)
		p.Matched = max(p.Matched, last)
	}
}

// end returns index and term of the last entry that a follower has when it accepts args; zero for a heartbeat.
func end(args *raft.AppendEntriesRequest) (index, term uint64) {
	if n := len(args.Entries); n > 0 {
		return args.Entries[n-1].Index, args.Entries[n-1].Term
	}
	return args.PrevLogEntry, args.PrevLogTerm
}

func (h *herald) progress(id raft.ServerID) Progress {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.peers[id]; f != nil {
		return f.progress
	}
	return Progress{}
}

func newHerald(t named) *herald {
	return &herald{send: t.AppendEntries, peers: map[raft.ServerID]*follower{}}
}

// matched notes that a follower has acknowledged args.
func (h *herald) matched(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest) {
	if args.PrevLogEntry == 0 && len(args.Entries) == 0 {
		return // a heartbeat says nothing about the log
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.peers[id]
	if f == nil {
		f = &follower{}
		h.peers[id] = f
	}
	last, lastTerm := end(args)
	if args.Term < f.request.Term || args.Term == f.request.Term && last < f.request.PrevLogEntry {
		return // overtaken by a later one
	}
	if args.Term != f.request.Term {
		f.told = 0
	}
	f.target = target
	f.request = *args
	f.request.Entries, f.request.PrevLogEntry, f.request.PrevLogTerm = nil, last, lastTerm
	f.told = max(f.told, min(args.LeaderCommitIndex, last))
	h.tell(id, f)
}

func (h *herald) committed(index, term uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.index, h.term = index, term
	for id, f := range h.peers {
		h.tell(id, f)
	}
}

// tell starts sending to f if there is news for it. At most one goroutine sends to a follower; news that come meanwhile are
// sent together afterwards. h.mu is held.
func (h *herald) tell(id raft.ServerID, f *follower) {
	if f.busy || h.stopped || h.news(f) <= f.told {
		return
	}
	f.busy = true
	h.running.Go(func() { h.tellLoop(id, f) })
}

// news returns the commit index that may be sent to f, zero if this node did not commit it as f's leader. h.mu is held.
func (h *herald) news(f *follower) uint64 {
	if f.request.Term != h.term {
		return 0
	}
	return min(h.index, f.request.PrevLogEntry)
}

func (h *herald) tellLoop(id raft.ServerID, f *follower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for n := h.news(f); n > f.told && !h.stopped; n = h.news(f) {
		f.told = n
		request, target := f.request, f.target
		request.LeaderCommitIndex = n
		h.mu.Unlock()
		var response raft.AppendEntriesResponse
		err := h.send(id, target, &request, &response)
		h.mu.Lock()
		if err != nil || !response.Success {
			f.request.Term = 0 // leave it to raft, and begin again when raft has reached it
		}
	}
	f.busy = false
}

func (h *herald) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
}

func (h *herald) wait() { h.running.Wait() }

package raftguard

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// ahead has followers store entries while the leader does. Raft's leader writes an entry to its own disk first and sends it to
// others afterwards, so that a commit takes two writes, one after the other; a leader may as well send what it has not written yet
// (Ongaro's thesis, 10.2.1), and a commit takes as long as the slower of them.
//
// What it sends is the append that raft is about to send: the same entries, of the same term, after the same entry before, which the
// follower is known to have from this leader. When raft then comes to send them, the follower's answer is there or on its way, and
// Transport.AppendEntries gives it that. So raft counts as ever: itself when its own write is done, a follower when that has
// answered. An entry that a leader loses by dying before it is written was never counted, and its index is never given to another entry
// in the same term, because the leader of a term leads once.
//
// A follower that does not keep up is left to raft, until an append of raft's own has reached it; and so is one of which raft does not
// collect the answers.
type ahead struct {
	send    func(raft.ServerID, raft.ServerAddress, *raft.AppendEntriesRequest, *raft.AppendEntriesResponse) error
	stored  func(raft.ServerID, raft.ServerAddress, *raft.AppendEntriesRequest)
	mu      sync.Mutex
	peers   map[raft.ServerID]*lead
	stopped bool
	running sync.WaitGroup
}

const (
	// aheadMax bounds the entries that wait for a follower's answer to earlier ones.
	aheadMax = 1024
	// aheadFresh is how long an answer may be given to raft, which takes it for a sign of life.
	aheadFresh = 100 * time.Millisecond
)

// lead is how far this node is ahead of raft with one follower.
type lead struct {
	target   raft.ServerAddress
	request  raft.AppendEntriesRequest // the last that the follower has accepted, without its entries: what it has is this leader's log
	asked    uint64                    // last entry that raft knows it has
	answered time.Time                 // when it accepted the last that was sent ahead
	waiting  []*raft.Log               // to be sent, the first follows on what is under way
	sent     uint64                    // last entry under way or waiting; zero: none is
	answer   chan struct{}             // closed at the next answer; nil: none is under way
}

func newAhead(t named, stored func(raft.ServerID, raft.ServerAddress, *raft.AppendEntriesRequest)) *ahead {
	return &ahead{send: t.AppendEntries, stored: stored, peers: map[raft.ServerID]*lead{}}
}

// matched notes that a follower has accepted args from raft itself.
func (a *ahead) matched(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest) {
	last, lastTerm := end(args)
	if last == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.peers[id]
	if l == nil {
		l = &lead{}
		a.peers[id] = l
	}
	if l.answer != nil || args.Term < l.request.Term || args.Term == l.request.Term && last < l.request.PrevLogEntry {
		return // overtaken
	}
	l.target, l.request, l.asked = target, *args, last
	l.request.Entries, l.request.PrevLogEntry, l.request.PrevLogTerm = nil, last, lastTerm
}

// storing sends entries that this node, as the leader of their term, begins to store. It does not block.
func (a *ahead) storing(entries []*raft.Log) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first, last := entries[0], entries[len(entries)-1]
	for id, l := range a.peers {
		if l.asked < l.request.PrevLogEntry && time.Since(l.answered) > aheadFresh {
			l.request.Term = 0 // raft does not want to know: it may be no member any more
		}
		begins := l.answer == nil && l.request.PrevLogEntry == first.Index-1
		follows := l.answer != nil && l.sent == first.Index-1
		if a.stopped || l.request.Term != first.Term || !begins && !follows || len(l.waiting)+len(entries) > aheadMax {
			continue
		}
		l.waiting, l.sent = append(l.waiting, entries...), last.Index
		if begins {
			l.answer = make(chan struct{})
			a.running.Go(func() { a.sendLoop(id, l) })
		}
	}
}

// sendLoop sends what waits for one follower, one request after the other, until nothing does or one is not accepted.
func (a *ahead) sendLoop(id raft.ServerID, l *lead) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(l.waiting) > 0 && !a.stopped {
		request, target := l.request, l.target
		request.Entries, l.waiting = l.waiting, nil
		a.mu.Unlock()
		var response raft.AppendEntriesResponse
		err := a.send(id, target, &request, &response)
		accepted := err == nil && response.Success && response.Term == request.Term
		if accepted {
			a.stored(id, target, &request)
		}
		a.mu.Lock()
		if !accepted {
			l.waiting, l.request.Term = nil, 0 // leave it to raft, and begin again when raft has reached it
			break
		}
		l.request.PrevLogEntry, l.request.PrevLogTerm = end(&request)
		l.answered = time.Now()
		close(l.answer)
		l.answer = make(chan struct{})
	}
	close(l.answer)
	l.answer, l.waiting, l.sent = nil, nil, 0
}

// answer waits for a follower's answer to args if they were sent ahead, and returns it; false: raft has to send them. Heartbeats
// always go their own way: whether a follower lives is not to be known from memory.
func (a *ahead) answer(id raft.ServerID, args *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) bool {
	if len(args.Entries) == 0 {
		return false
	}
	first, last := args.Entries[0].Index, args.Entries[len(args.Entries)-1].Index
	a.mu.Lock()
	defer a.mu.Unlock()
	for l := a.peers[id]; l != nil && l.request.Term == args.Term && first > l.asked; {
		if last <= l.request.PrevLogEntry && time.Since(l.answered) < aheadFresh {
			l.asked = last
			*response = raft.AppendEntriesResponse{
				RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}, Term: args.Term, LastLog: l.request.PrevLogEntry, Success: true,
			}
			return true
		}
		if l.answer == nil || last <= l.request.PrevLogEntry || last > l.sent {
			return false
		}
		next := l.answer
		a.mu.Unlock()
		<-next // the transport bounds how long a request takes
		a.mu.Lock()
	}
	return false
}

func (a *ahead) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
}

func (a *ahead) wait() { a.running.Wait() }

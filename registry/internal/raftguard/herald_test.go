package raftguard

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// sent is what a follower was told.
type sent struct {
	id                             raft.ServerID
	term, prev, prevTerm, commitTo uint64
}

type wire struct {
	got  []sent
	fail error
	no   bool
}

func (w *wire) send(id raft.ServerID, _ raft.ServerAddress, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	w.got = append(w.got, sent{id, req.Term, req.PrevLogEntry, req.PrevLogTerm, req.LeaderCommitIndex})
	if len(req.Entries) > 0 {
		panic("the herald sends no entries")
	}
	resp.Success = !w.no
	return w.fail
}

func (w *wire) take() []sent {
	got := w.got
	w.got = nil
	return got
}

func appended(term, prev uint64, entries ...*raft.Log) *raft.AppendEntriesRequest {
	return &raft.AppendEntriesRequest{Term: term, PrevLogEntry: prev, PrevLogTerm: term, Entries: entries}
}

func TestHeraldTellsWhatIsTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		h := &herald{send: w.send, peers: map[raft.ServerID]*follower{}}
		expect := func(want ...sent) {
			t.Helper()
			synctest.Wait()
			require.Equal(t, want, w.take())
		}
		h.committed(9, 2)
		expect() // nobody is known

		h.matched("a", "a:1", &raft.AppendEntriesRequest{Term: 2})
		expect() // a heartbeat proves nothing

		h.matched("a", "a:1", appended(2, 9, &raft.Log{Index: 10, Term: 2}, &raft.Log{Index: 11, Term: 2}))
		expect(sent{"a", 2, 11, 2, 9})
		h.committed(10, 2)
		expect(sent{"a", 2, 11, 2, 10})
		h.committed(15, 2) // a quorum without a: no further than what a is known to have
		expect(sent{"a", 2, 11, 2, 11})
		h.matched("a", "a:1", appended(2, 9, &raft.Log{Index: 10, Term: 2}))
		expect() // an answer that was overtaken
		h.matched("a", "a:1", &raft.AppendEntriesRequest{Term: 2, PrevLogEntry: 14, PrevLogTerm: 2, LeaderCommitIndex: 14})
		expect() // raft has told it itself

		// Applied as a follower of term 3: nothing may be said in the name of term 2.
		h.committed(16, 3)
		expect()
		// A new term as leader: nothing before an entry of its own is committed.
		h.matched("a", "a:1", &raft.AppendEntriesRequest{Term: 4, PrevLogEntry: 16, PrevLogTerm: 3})
		expect()
		h.matched("a", "a:1", appended(4, 16, &raft.Log{Index: 17, Term: 4}))
		h.committed(17, 4)
		expect(sent{"a", 4, 17, 4, 17})

		// After a refusal or an error raft goes first.
		w.no = true
		h.matched("a", "a:1", appended(4, 17, &raft.Log{Index: 18, Term: 4}))
		h.committed(18, 4)
		expect(sent{"a", 4, 18, 4, 18})
		w.no, w.fail = false, errors.New("gone")
		h.committed(19, 4)
		expect()

		h.stop()
		w.fail = nil
		h.matched("a", "a:1", appended(4, 18, &raft.Log{Index: 19, Term: 4}))
		expect()
		h.wait()
	})
}

package raftguard

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// slow is a follower that answers when it is told to.
type slow struct {
	asked  chan *raft.AppendEntriesRequest
	answer chan error
}

var errRefused = errors.New("refused")

func (s *slow) send(_ raft.ServerID, _ raft.ServerAddress, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	s.asked <- req
	err := <-s.answer
	resp.Term, resp.Success = req.Term, err == nil
	if errors.Is(err, errRefused) {
		err = nil
	}
	return err
}

func entries(term, first, last uint64) (logs []*raft.Log) {
	for i := first; i <= last; i++ {
		logs = append(logs, &raft.Log{Index: i, Term: term})
	}
	return logs
}

// leader returns an ahead that raft has just told that follower a has everything up to 10.
func leader(s *slow) (a *ahead, accepted *[]uint64) {
	accepted = new([]uint64)
	a = &ahead{send: s.send, peers: map[raft.ServerID]*lead{}, stored: func(_ raft.ServerID, _ raft.ServerAddress, req *raft.AppendEntriesRequest) {
		last, _ := end(req)
		*accepted = append(*accepted, last)
	}}
	a.matched("a", "a:1", appended(2, 9, entries(2, 10, 10)...))
	return a, accepted
}

// collect is raft asking for entries; the channel delivers whether it was answered.
func collect(a *ahead, term, first, last uint64) <-chan bool {
	got := make(chan bool, 1)
	go func() {
		var resp raft.AppendEntriesResponse
		ok := a.answer("a", appended(term, first-1, entries(term, first, last)...), &resp)
		got <- ok && resp.Success && resp.Term == term && resp.LastLog >= last
	}()
	return got
}

func withLeader(t *testing.T, f func(s *slow, a *ahead, accepted *[]uint64)) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{asked: make(chan *raft.AppendEntriesRequest), answer: make(chan error)}
		a, accepted := leader(s)
		f(s, a, accepted)
		a.stop()
		a.wait()
	})
}

func TestEntriesAreSentWhileTheLeaderStoresThem(t *testing.T) {
	withLeader(t, func(s *slow, a *ahead, accepted *[]uint64) {
		a.storing(entries(2, 11, 12))
		req := <-s.asked
		require.Equal(t, uint64(2), req.Term)
		require.Equal(t, uint64(10), req.PrevLogEntry)
		require.Equal(t, uint64(2), req.PrevLogTerm)
		require.Equal(t, entries(2, 11, 12), req.Entries)

		early := collect(a, 2, 11, 12)
		synctest.Wait()
		require.Empty(t, early, "it has not answered yet")
		// What is stored meanwhile goes together, after it.
		a.storing(entries(2, 13, 13))
		a.storing(entries(2, 14, 15))
		s.answer <- nil
		req = <-s.asked
		require.Equal(t, uint64(12), req.PrevLogEntry)
		require.Equal(t, entries(2, 13, 15), req.Entries)
		require.True(t, <-early)
		s.answer <- nil
		require.True(t, <-collect(a, 2, 13, 14), "raft may ask in other pieces")
		require.True(t, <-collect(a, 2, 15, 15))
		require.Equal(t, []uint64{12, 15}, *accepted)
	})
}

func TestOnlyWhatWasSentAheadIsAnswered(t *testing.T) {
	withLeader(t, func(s *slow, a *ahead, _ *[]uint64) {
		a.storing(entries(2, 11, 12))
		<-s.asked
		s.answer <- nil
		synctest.Wait()
		require.False(t, <-collect(a, 2, 10, 12), "raft itself has sent 10")
		require.False(t, <-collect(a, 2, 11, 13), "13 was not sent")
		require.False(t, <-collect(a, 3, 11, 12), "another leadership")
		require.False(t, a.answer("b", appended(2, 10, entries(2, 11, 12)...), new(raft.AppendEntriesResponse)))
		require.False(t, a.answer("a", &raft.AppendEntriesRequest{Term: 2, PrevLogEntry: 12}, new(raft.AppendEntriesResponse)), "a heartbeat")
		require.True(t, <-collect(a, 2, 11, 12))
		require.False(t, <-collect(a, 2, 11, 12), "raft asks again: it does not believe it")
	})
}

// A follower that does not accept, or cannot be reached, is raft's until raft has reached it.
func TestARefusalIsRaftsToMend(t *testing.T) {
	for _, failure := range []error{errRefused, errors.New("broken")} {
		withLeader(t, func(s *slow, a *ahead, accepted *[]uint64) {
			a.storing(entries(2, 11, 11))
			<-s.asked
			a.storing(entries(2, 12, 12))
			waits := collect(a, 2, 11, 12)
			synctest.Wait()
			s.answer <- failure
			require.False(t, <-waits)
			a.storing(entries(2, 13, 13))
			synctest.Wait()
			require.Empty(t, s.asked)
			require.Empty(t, *accepted)

			a.matched("a", "a:1", appended(2, 10, entries(2, 11, 13)...))
			a.storing(entries(2, 14, 14))
			require.Equal(t, uint64(13), (<-s.asked).PrevLogEntry)
			s.answer <- nil
		})
	}
}

func TestNothingIsSentThatDoesNotFollow(t *testing.T) {
	withLeader(t, func(s *slow, a *ahead, _ *[]uint64) {
		a.storing(entries(2, 12, 12)) // 11 is raft's, or on its way
		a.storing(entries(3, 11, 11)) // of a term in which a has not accepted anything yet
		synctest.Wait()
		require.Empty(t, s.asked)

		a.storing(entries(2, 11, 11))
		<-s.asked
		a.storing(entries(2, 12, 12+aheadMax)) // it does not keep up
		a.storing(entries(2, 13+aheadMax, 13+aheadMax))
		s.answer <- nil
		synctest.Wait()
		require.Empty(t, s.asked)
	})
}

// An answer counts as a sign of life, so an old one is none; and a server whose answers raft does not collect may be no member.
func TestOldAnswersAreNotGiven(t *testing.T) {
	withLeader(t, func(s *slow, a *ahead, _ *[]uint64) {
		a.storing(entries(2, 11, 11))
		<-s.asked
		s.answer <- nil
		synctest.Wait()
		time.Sleep(2 * aheadFresh)
		require.False(t, <-collect(a, 2, 11, 11))
		a.storing(entries(2, 12, 12))
		synctest.Wait()
		require.Empty(t, s.asked)
		a.matched("a", "a:1", appended(2, 10, entries(2, 11, 12)...))
		a.storing(entries(2, 13, 13))
		<-s.asked
		s.answer <- nil
	})
}

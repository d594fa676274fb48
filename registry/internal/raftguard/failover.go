package raftguard

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// failover notices a dead leader by its connections. Raft waits until nothing was heard for the heartbeat timeout, which must be
// long, or a leader that is slow loses its term. But when the leader's process dies, its host says so at once: the
// connections are reset, and a new one is refused. That is certain in a way that silence never is: a leader that is stopped, starved
// or slow still has its sockets.
//
// Nothing but these counts: the connection from the leader ended; a new one to its address is refused, or answered by another start
// of the node; and so many voters find the same, this one among them, as an election takes. (One alone might be kept from the
// leader by a firewall that refuses in its name.) Then this node sends itself Raft's own TimeoutNow, by which a leader hands its
// term on. The voter with the longest log is the first to do so, the others give it time. What follows is an election like any
// other: its safety is Raft's.
type failover struct {
	self   raft.ServerID
	step   time.Duration // between two voters' elections
	limit  time.Duration // of one probe, and of all of them
	layer  *layer
	elect  func() error // makes Raft stand for election
	logger *slog.Logger
	view   atomic.Pointer[func() View] // stored once, by attend

	life    context.Context
	end     context.CancelFunc
	mu      sync.Mutex
	busy    bool // rounds are being held
	again   bool // and another is asked for
	running sync.WaitGroup
	stats   FailoverStats
}

// View is what Raft knows at the moment.
type View struct {
	Follows bool // neither leader nor candidate
	Leader  raft.Server
	Term    uint64
	Index   uint64 // last log entry
	Voters  []raft.Server
}

// FailoverStats counts what became of lost leaders.
type FailoverStats struct {
	Lost      uint64 // the connection from the leader ended
	Gone      uint64 // and it was found to be gone
	Doubted   uint64 // but not by enough voters
	Elections uint64 // this node stood for election because of it
}

func (f *failover) attend(view func() View) { f.view.Store(&view) }

func (f *failover) now() View {
	if view := f.view.Load(); view != nil {
		return (*view)()
	}
	return View{}
}

// lost is told that a connection from a peer has ended. It does not block.
func (f *failover) lost(from raft.ServerID, process uint64) {
	v := f.now()
	if !v.Follows || v.Leader.ID != from || !votes(v, f.self) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.life.Err() != nil {
		return
	}
	f.stats.Lost++
	if f.again = f.busy; f.busy {
		return // what is being found out may have been true before this
	}
	f.busy = true
	f.running.Go(func() {
		for more := true; more; more = f.more() {
			f.run(f.now(), from, process)
		}
	})
}

// more reports whether another connection has ended since the last round began, and ends the rounds if not.
func (f *failover) more() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy, f.again = f.again, false
	return f.busy
}

// roundsMax bounds how often the others are asked when one does not answer.
const roundsMax = 3

func (f *failover) run(v View, leader raft.ServerID, process uint64) {
	if v.Leader.ID != leader {
		return
	}
	for round := 1; ; round++ {
		if !f.gone(v.Leader, process) {
			return
		}
		f.count(&f.stats.Gone)
		before, agree := f.opinions(v, process)
		if 1+agree > len(v.Voters)/2 {
			f.stand(v, before)
			return
		}
		if round == roundsMax {
			break
		}
		select {
		case <-time.After(f.step):
		case <-f.life.Done():
			return
		}
	}
	f.count(&f.stats.Doubted)
	f.logger.Info("the leader cannot be reached from here, but not so many find the same as it takes", "leader", leader, "term", v.Term)
}

func (f *failover) stand(v View, before int) {
	if !f.turn(v, before) {
		return
	}
	f.count(&f.stats.Elections)
	f.logger.Warn("the leader is gone: its address refuses connections; standing for election", "leader", v.Leader.ID, "term", v.Term)
	if err := f.elect(); err != nil {
		f.logger.Warn("no election at once", "error", err)
	}
}

// gone reports whether that start of the leader is certainly over. While a dying process is being taken down its address may still
// accept connections and close them: then it asks again.
func (f *failover) gone(leader raft.Server, process uint64) bool {
	deadline := time.Now().Add(f.limit)
	for pause := time.Millisecond; time.Now().Before(deadline); pause = min(2*pause, f.limit/10) {
		conn, answer, err := f.layer.greet(f.layer.hello(forProbe, leader.ID), leader.Address, time.Until(deadline))
		switch {
		case err == nil:
			_ = conn.Close() // it was a probe
			return answer.process != process
		case isRefused(err):
			return true
		case isTimeout(err) || answer.process != 0:
			return false // silence proves nothing; neither does another server
		}
		select {
		case <-time.After(pause):
		case <-f.life.Done():
			return false
		}
	}
	return false
}

// opinion answers another voter's question. One that follows somebody else knows better.
func (f *failover) opinion(about raft.ServerID, process uint64) bool {
	v := f.now()
	return v.Follows && v.Leader.ID == about && f.gone(v.Leader, process)
}

// opinions asks the other voters. It returns how many agree, and how many of these should stand for election before this node.
func (f *failover) opinions(v View, process uint64) (before, agree int) {
	var asked []raft.Server
	for _, s := range v.Voters {
		if s.ID != f.self && s.ID != v.Leader.ID {
			asked = append(asked, s)
		}
	}
	answers := make(chan hello, len(asked))
	for _, s := range asked {
		question := f.layer.hello(forOpinion, s.ID)
		question.about, question.process = v.Leader.ID, process
		f.running.Go(func() {
			_, answer, _ := f.layer.greet(question, s.Address, 2*f.limit) // no answer, no opinion
			answers <- answer
		})
	}
	for range asked {
		answer := <-answers
		if answer.kind != isGone {
			continue
		}
		agree++
		if cmp.Or(cmp.Compare(v.Index, answer.index), cmp.Compare(answer.from, f.self)) < 0 {
			before++
		}
	}
	return before, agree
}

// turn waits until it is this node's turn, and reports whether there is still no other leader then. A voter that has begun
// meanwhile is given time, but not for ever: it may have died in turn.
func (f *failover) turn(v View, before int) bool {
	term, wait := v.Term, before
	for tries := 0; ; tries++ {
		select {
		case <-time.After(time.Duration(wait) * f.step):
		case <-f.life.Done():
			return false
		}
		now := f.now()
		if !now.Follows || now.Leader.ID != "" && now.Leader.ID != v.Leader.ID {
			return false
		}
		if now.Term == term || tries == 2 {
			return true
		}
		term, wait = now.Term, 2
	}
}

func votes(v View, id raft.ServerID) bool {
	for _, s := range v.Voters {
		if s.ID == id {
			return true
		}
	}
	return false
}

func (f *failover) count(n *uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*n++
}

func (f *failover) read() FailoverStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

func (f *failover) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end()
}

func (f *failover) wait() { f.running.Wait() }

package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry/state"
)

// Leadership says whether this node leads, and in which term. It leads only after it has applied a barrier of that term, so
// that its state holds everything that earlier leaders committed.
type Leadership struct {
	Term  uint64
	Leads bool
}

// Leadership returns a channel with the newest news: a reader that is slow misses old ones, and two terms in a row mean that
// leadership was lost in between. The channel is closed by Close. Each call makes another channel.
func (r *Registry) Leadership() <-chan Leadership { return r.leaders.subscribe() }

// leaders hands the newest news to each subscriber.
type leaders struct {
	mu     sync.Mutex
	last   Leadership
	chans  []chan Leadership
	closed bool
}

func (l *leaders) subscribe() <-chan Leadership {
	l.mu.Lock()
	defer l.mu.Unlock()
	ch := make(chan Leadership, 1)
	if l.closed {
		close(ch)
		return ch
	}
	if l.last.Leads {
		ch <- l.last
	}
	l.chans = append(l.chans, ch)
	return ch
}

func (l *leaders) publish(news Leadership) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = news
	for _, ch := range l.chans {
		select {
		case <-ch: // what nobody has read is overtaken
		default:
		}
		ch <- news // there is room: only publish sends, under mu
	}
}

func (l *leaders) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, ch := range l.chans {
		close(ch)
	}
}

// leadLoop follows raft's leadership. It reads raft's news at once, since raft waits for that, and leaves the work of a term
// to a goroutine of its own, which ends with the term.
func (r *Registry) leadLoop() {
	stop := func() {}
	defer func() { stop() }()
	for {
		select {
		case leads := <-r.notify:
			stop() // also for two elections won in a row
			stop = func() {}
			if leads {
				stop = r.beginTerm()
			}
		case <-r.life.Done():
			return
		}
	}
}

// beginTerm makes this node a leader who may be asked, and returns what undoes it.
func (r *Registry) beginTerm() (stop func()) {
	ctx, cancel := context.WithCancel(r.life)
	var working sync.WaitGroup
	working.Go(func() { r.establish(ctx) })
	return func() {
		cancel()
		working.Wait()
		if term := r.ready.Swap(0); term != 0 {
			r.log.Info("no longer leader", "term", term)
			r.leaders.publish(Leadership{Term: term})
		}
	}
}

// establish commits a barrier, which is what makes a leader's state complete. Until it succeeds this node answers nothing as a
// leader; if it fails, somebody else shall try, and if nobody else can, it tries again.
func (r *Registry) establish(ctx context.Context) {
	for ctx.Err() == nil {
		term, err := r.commitBarrier(ctx)
		if err == nil {
			r.ready.Store(term)
			r.log.Info("leader", "term", term)
			r.leaders.publish(Leadership{Term: term, Leads: true})
			return
		}
		if ctx.Err() != nil || errors.Is(err, raft.ErrNotLeader) {
			return // raft says so on notify as well
		}
		r.log.Warn("new leader cannot commit; handing leadership on", "error", err)
		if err := r.await(ctx, r.raft.LeadershipTransfer()); err == nil {
			return
		}
		select {
		case <-time.After(r.cfg.Election):
		case <-ctx.Done():
		}
	}
}

// commitBarrier commits an entry of this term, and the cluster's identity if it has none yet.
func (r *Registry) commitBarrier(ctx context.Context) (term uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*r.cfg.Election)
	defer cancel()
	result, err := r.propose(ctx, state.Nothing{})
	if err == nil && r.State().Cluster() == "" {
		result, err = r.propose(ctx, state.InitCluster{Cluster: strings.ToLower(rand.Text())})
	}
	return result.Term, err
}

// IsLeader reports whether this node leads and has applied its barrier.
func (r *Registry) IsLeader() bool { return r.readyTerm() != 0 }

// readyTerm returns the term in which this node leads now, or 0.
func (r *Registry) readyTerm() uint64 {
	term := r.ready.Load()
	if term == 0 || r.raft.State() != raft.Leader || r.raft.CurrentTerm() != term {
		return 0
	}
	return term
}

// errNotLeader is the refusal of what only a leader can do.
func (r *Registry) errNotLeader() error {
	leader, ok := r.Leader()
	if leader.ID == r.cfg.NodeID {
		return fmt.Errorf("this node is leader, but has not applied its barrier yet: %w", api.ErrNoQuorum)
	}
	if ok {
		return fmt.Errorf("the leader is %s at %s: %w", leader.ID, leader.Address, api.ErrNoQuorum)
	}
	return fmt.Errorf("no leader: %w", api.ErrNoQuorum)
}

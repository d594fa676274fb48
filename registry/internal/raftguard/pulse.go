package raftguard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/grafnode/grafnode/registry/internal/rounds"
)

// ErrNoMajority says that a majority did not confirm the term.
var ErrNoMajority = errors.New("no majority confirms the term")

// pulse asks followers whether they still follow. Raft's own VerifyLeader takes any answer, also one to a heartbeat that was sent
// before the question and has lain in a buffer while this process was stopped, and meanwhile another may have been elected (the class
// of etcd-io/etcd#20418). Here an answer counts only for questions that were asked before its heartbeat was sent.
type pulse struct {
	self raft.ServerID
	send func(raft.ServerID, raft.ServerAddress, *raft.AppendEntriesRequest, *raft.AppendEntriesResponse) error
	life context.Context
	end  context.CancelFunc

	mu     sync.Mutex
	header raft.RPCHeader
	term   uint64 // newest that was asked for
	peers  map[raft.Server]*rounds.Rounds[uint64]
}

func newPulse(self raft.ServerID, address []byte, t named) *pulse {
	p := &pulse{self: self, send: t.AppendEntries, peers: map[raft.Server]*rounds.Rounds[uint64]{}}
	p.header = raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(self), Addr: address}
	p.life, p.end = context.WithCancel(context.Background())
	return p
}

// quorum returns nil once a majority of the voters, this node among them, has said after the call that term is theirs.
func (p *pulse) quorum(ctx context.Context, term uint64, voters []raft.Server) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan error, len(voters))
	for _, v := range voters {
		if v.ID == p.self {
			answers <- nil
			continue
		}
		peer := p.peer(v, term)
		go func() {
			confirmed, err := peer.Join(ctx)
			if err == nil && confirmed != term {
				err = fmt.Errorf("%s is in term %d: %w", v.ID, confirmed, ErrNoMajority)
			}
			answers <- err
		}()
	}
	missing, spare := len(voters)/2+1, (len(voters)-1)/2
	for missing > 0 {
		select {
		case err := <-answers:
			if err == nil {
				missing--
			} else if spare--; spare < 0 {
				return fmt.Errorf("%w: %w", ErrNoMajority, err)
			}
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrNoMajority, context.Cause(ctx))
		}
	}
	return nil
}

// peer returns the rounds that ask one follower: whatever becomes of it, one message is under way to it and no more.
func (p *pulse) peer(v raft.Server, term uint64) *rounds.Rounds[uint64] {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.term = max(p.term, term)
	v.Suffrage = raft.Voter // one entry however it is spelled
	peer := p.peers[v]
	if peer == nil {
		peer = rounds.New(p.life, func(context.Context) (uint64, error) { return p.beat(v) })
		p.peers[v] = peer
	}
	return peer
}

// beat sends one heartbeat and returns the follower's term.
func (p *pulse) beat(v raft.Server) (uint64, error) {
	if p.life.Err() != nil {
		return 0, p.life.Err()
	}
	p.mu.Lock()
	request := raft.AppendEntriesRequest{RPCHeader: p.header, Term: p.term}
	p.mu.Unlock()
	var response raft.AppendEntriesResponse
	if err := p.send(v.ID, v.Address, &request, &response); err != nil {
		return 0, err
	}
	if !response.Success {
		return response.Term, fmt.Errorf("%s is in term %d: %w", v.ID, response.Term, ErrNoMajority)
	}
	return response.Term, nil
}

func (p *pulse) stop() { p.end() }

func (p *pulse) wait() {
	p.mu.Lock()
	peers := slices.Collect(maps.Values(p.peers))
	p.mu.Unlock()
	for _, peer := range peers {
		peer.Close()
	}
}

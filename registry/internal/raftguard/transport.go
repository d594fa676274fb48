package raftguard

import (
	"context"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"
)

// TransportConfig is what a Transport needs.
type TransportConfig struct {
	Layer   raft.StreamLayer // carries the connections; closed by Close
	Self    raft.ServerID
	Address string // at which peers reach this node, whatever Layer listens on
	// Cluster returns which cluster this node belongs to, "" as long as it belongs to none. Connections between clusters are refused.
	Cluster func() string
	// Strict reports that a peer must say its cluster to be heard. Otherwise one that has none yet is heard, and so is one of version
	// 0.1.0, which says none.
	Strict func() bool
	Log    Held // this node's; nil: it is not asked
	// Heartbeat is how long Raft waits for a leader that is silent.
	Heartbeat time.Duration
	Logger    *slog.Logger
}

// Transport is raft's network transport with the guards of the package comment. Raft closes it when it shuts down.
type Transport struct {
	named    // embedded, so that pre-votes and Close stay visible to raft
	self     raft.ServerID
	address  raft.ServerAddress
	layer    *layer
	news     *herald
	ahead    *ahead
	pulse    *pulse
	failover *failover
	sieve    *sieve
}

// NewTransport starts a transport.
func NewTransport(c TransportConfig) *Transport {
	t := &Transport{self: c.Self, address: raft.ServerAddress(c.Address)}
	f := &failover{
		self: c.Self, step: c.Heartbeat / 10, limit: c.Heartbeat / 2, logger: c.Logger,
		elect: t.Stand,
	}
	f.life, f.end = context.WithCancel(context.Background())
	t.failover = f
	t.layer = newLayer(layerConfig{
		Layer: c.Layer, Self: c.Self, Cluster: c.Cluster, Strict: c.Strict, Logger: c.Logger,
		Index: func() uint64 { return f.now().Index }, Lost: f.lost, Opinion: f.opinion,
	})
	f.layer = t.layer
	t.named = named{raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:                  t.layer,
		Logger:                  Logger(c.Logger),
		MaxPool:                 6, // raft's own appends and heartbeats, ahead, herald, pulse, and one to spare
		MaxRPCsInFlight:         1, // no pipelining, see the package comment
		Timeout:                 5 * time.Second,
		MsgpackUseNewTimeFormat: true,
	})}
	t.sieve = newSieve(t.named.Consumer(), c.Log)
	t.news = newHerald(t.named)
	t.ahead = newAhead(t.named, t.accepted)
	t.pulse = newPulse(c.Self, t.EncodePeer(c.Self, t.address), t.named)
	return t
}

// Attend tells the transport how to see what Raft knows, which it needs to notice that a leader is gone. view must not block.
func (t *Transport) Attend(view func() View) { t.failover.attend(view) }

// Stand has this node stand for election at once, which only those may who know that there is no leader: it sends this node, over its
// own listener, the message by which a leader hands its term on. It blocks until Raft has taken that.
func (t *Transport) Stand() error {
	request := raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{
		ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(t.self), Addr: t.EncodePeer(t.self, t.address),
	}}
	return t.TimeoutNow(t.self, t.address, &request, new(raft.TimeoutNowResponse))
}

// SetHeartbeatHandler ignores raft's wish for a fast path: without a handler, heartbeats wait in line with everything else for
// the one goroutine that changes raft's term and state.
func (t *Transport) SetHeartbeatHandler(func(raft.RPC)) {}

// LocalAddr returns the address under which peers know this node.
func (t *Transport) LocalAddr() raft.ServerAddress { return t.address }

// AppendEntries sends args, unless they were sent ahead or the follower has them, and notes how far the follower's log is known to match.
func (t *Transport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest,
	resp *raft.AppendEntriesResponse) error {
	if t.ahead.answer(id, args, resp) {
		return nil
	}
	if last, _ := end(args); len(args.Entries) > 0 {
		if asked, err := t.has(id, target, args.Term, last, resp); asked {
			return err
		}
	}
	err := t.named.AppendEntries(id, target, args, resp)
	if err != nil {
		return err
	}
	if resp.Success {
		t.accepted(id, target, args)
		t.ahead.matched(id, target, args)
	} else {
		t.news.answered(id, args, false)
	}
	return nil
}

// accepted notes that a follower has accepted args.
func (t *Transport) accepted(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest) {
	t.news.answered(id, args, true)
	t.news.matched(id, target, args)
}

// Storing says that this node, as the leader of their term, begins to store entries. Followers that keep up are sent them at once,
// so that they store them at the same time. The entries must not be changed any more. It does not block.
func (t *Transport) Storing(entries []*raft.Log) { t.ahead.storing(entries) }

// Progress returns how far a follower has come. It is about the term that it names: this node may have led in others since, or
// lead no longer.
func (t *Transport) Progress(id raft.ServerID) Progress { return t.news.progress(id) }

// Committed says that the entry at index, which was logged in term, is committed as this node knows. If this node leads in that term, the
// followers that have the entry are told at once. It never blocks.
func (t *Transport) Committed(index, term uint64) { t.news.committed(index, term) }

// Quorum returns nil if this node, which leads or led in term, was not deposed when it was called: a majority of the voters has
// confirmed the term since. Who asks at the same time shares the messages.
func (t *Transport) Quorum(ctx context.Context, term uint64, voters []raft.Server) error {
	return t.pulse.quorum(ctx, term, voters)
}

// Failover counts leaders that were lost.
func (t *Transport) Failover() FailoverStats { return t.failover.read() }

// Cut closes the listener and all connections at once, so that nobody hears of this node any more: a leader that cannot go on must
// not keep its followers waiting. It waits for nothing; Close is still to be called.
func (t *Transport) Cut() error { return t.layer.Close() }

// Close closes the listener and all connections, and waits for the goroutines that send on the transport's own account. Those
// that serve connections end by themselves, since their connections are closed.
func (t *Transport) Close() error {
	t.news.stop()
	t.ahead.stop()
	t.pulse.stop()
	t.failover.stop()
	err := t.NetworkTransport.Close()
	t.news.wait()
	t.ahead.wait()
	t.pulse.wait()
	t.failover.wait()
	t.sieve.close()
	t.CloseStreams() // what is pooled; Close leaves it open
	return err
}

package raftguard

import (
	"context"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"
)

// Transport is raft's network transport with the guards of the package comment. Raft closes it when it shuts down.
type Transport struct {
	named   // embedded, so that pre-votes and Close stay visible to raft
	address raft.ServerAddress
	layer   *layer
	news    *herald
	pulse   *pulse
}

// NewTransport starts a transport of the node self over inner. Peers reach this one at address, whatever inner listens on.
func NewTransport(inner raft.StreamLayer, self raft.ServerID, address string, own Allegiance, logger *slog.Logger) *Transport {
	t := &Transport{address: raft.ServerAddress(address), layer: newLayer(inner, self)}
	t.Belong(own)
	t.named = named{raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:                  t.layer,
		Logger:                  Logger(logger),
		MaxPool:                 3,
		MaxRPCsInFlight:         1, // no pipelining, see the package comment
		Timeout:                 5 * time.Second,
		MsgpackUseNewTimeFormat: true,
	})}
	t.news = newHerald(t.named)
	t.pulse = newPulse(self, t.EncodePeer(self, t.address), t.named)
	return t
}

// Belong says what this server knows of its cluster from now on. Connections that exist stay.
func (t *Transport) Belong(own Allegiance) { t.layer.own.Store(&own) }

// SetHeartbeatHandler ignores raft's wish for a fast path: without a handler, heartbeats wait in line with everything else for
// the one goroutine that changes raft's term and state.
func (t *Transport) SetHeartbeatHandler(func(raft.RPC)) {}

// LocalAddr returns the address under which peers know this node.
func (t *Transport) LocalAddr() raft.ServerAddress { return t.address }

// AppendEntries sends args, and notes how far the follower's log is known to match.
func (t *Transport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest,
	resp *raft.AppendEntriesResponse) error {
	err := t.named.AppendEntries(id, target, args, resp)
	if err != nil {
		return err
	}
	t.news.answered(id, args, resp.Success)
	if resp.Success {
		t.news.matched(id, target, args)
	}
	return nil
}

// Progress returns how far a follower has come. It is about the term that it names: this node may have led in others since, or
// lead no longer.
func (t *Transport) Progress(id raft.ServerID) Progress { return t.news.progress(id) }

// Committed says that this node has applied the entry at index, which was logged in term. If this node leads in that term, the
// followers that have the entry are told at once. It never blocks.
func (t *Transport) Committed(index, term uint64) { t.news.committed(index, term) }

// Quorum returns nil if this node, which leads or led in term, was not deposed when it was called: a majority of the voters has
// confirmed the term since. Who asks at the same time shares the messages.
func (t *Transport) Quorum(ctx context.Context, term uint64, voters []raft.Server) error {
	return t.pulse.quorum(ctx, term, voters)
}

// Close closes the listener and all connections, and waits for the goroutines that send on the transport's own account. Those
// that serve connections end by themselves, since their connections are closed.
func (t *Transport) Close() error {
	t.news.stop()
	t.pulse.stop()
	err := t.NetworkTransport.Close()
	t.news.wait()
	t.pulse.wait()
	t.CloseStreams() // what is pooled; Close leaves it open
	return err
}

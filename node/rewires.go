package node

import (
	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/node/traces"
	"github.com/grafnode/grafnode/registry/state"
)

// What happens to an edge's ring is told in lines that have its edge and its generation: the leader's, which says why there is another; its node's,
// which makes and seals it (package node/host); and those of the nodes to which its two sides report how they came there.

// newRings returns what tells, on the leader, of the rings that commands give to edges. It is called for each command in the order of the log.
func (n *Node) newRings() func(state.Command, state.Result) {
	var told api.Revision // a command that comes again has the revision of its first time
	return func(command state.Command, r state.Result) {
		if r.Err != nil || r.Revision <= told {
			return
		}
		told = r.Revision
		spares, isSpare := command.(state.ChangeSpare)
		if _, isRing := command.(state.ChangeEdges); !isRing && !isSpare || !n.registry.IsLeader() { // nor what is read again when the node starts
			return
		}
		for _, e := range r.Edges {
			if !isSpare || spares.Confirm != 0 {
				n.log.Info("edge has another ring", "edge", e.Name, "generation", e.Generation, "reason", e.Reason, "node", e.Node)
			}
			if isSpare && spares.Arm && e.Spare.Lease != "" {
				n.log.Info("edge has a spare", "edge", e.Name, "generation", e.Spare.Generation, "node", e.Spare.Node)
			}
		}
	}
}

// rewired tells of a rewire that a stage of this host has reported.
func (n *Node) rewired(t api.Trace) {
	n.log.Info("edge rewired", "edge", t.Edge, "generation", t.Generation, "role", t.Role, "from", t.From, "reason", t.Reason, "cause", t.Cause,
		"spare", t.Spare, "rings", t.Rings, "stage", t.Stage, "session", t.Session, "noticed", t.Noticed,
		"decided", t.Decided, "attached", t.Attached, "resumed", t.Resumed, "first", t.First)
	if n.traces != nil {
		n.traces.Rewired(t)
	}
}

// openTraces has rewires sent to a collector, if there is one.
func (n *Node) openTraces() (err error) {
	if n.cfg.OTLPEndpoint == "" {
		return nil
	}
	n.traces, err = traces.New(traces.Config{
		Endpoint: n.cfg.OTLPEndpoint, Node: n.dir.id, Name: n.cfg.Name, Zone: n.cfg.Zone, Version: n.cfg.Version,
		Cluster: func() string { return n.registry.State().Cluster() }, Logger: n.log,
	})
	if err != nil {
		return &ConfigError{"otlp-endpoint", err}
	}
	n.traces.Open()
	n.opened(n.traces.Close)
	return nil
}

package server

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/version"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry/state"
)

// Ring is how full a ring on this node is.
type Ring struct {
	Edge     string
	Used     int // bytes
	Capacity int // bytes
	Mapped   int // bytes, of all that it takes
}

// Cluster collects, when asked, what this node knows of its registry, its gossip and its rings. Every node counts what it
// applies itself, so the same change shows on all of them: never add such series up over nodes.
type Cluster struct {
	node     locator.NodeID
	registry Registry
	gossip   Gossip
	rings    func() []Ring
	edges    *labels
}

// Changes counts what the log did, as this node applies it.
type Changes struct {
	generations, spares, ended *prometheus.CounterVec
	leaders                    prometheus.Counter

	// Of the last entry; Applied's own.
	revision api.Revision
	term     uint64
}

// NewChanges registers the counters with reg.
func NewChanges(reg prometheus.Registerer) *Changes {
	c := &Changes{
		generations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "grafnode", Name: "edge_generation_changes_total", Help: "New generations of edges applied by this node, by reason.",
		}, []string{"reason"}),
		spares: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "grafnode", Name: "edge_spare_changes_total", Help: "Spares of edges armed, and moves to them confirmed, as applied by this node.",
		}, []string{"what"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "grafnode", Name: "leases_ended_total", Help: "Leases and sessions that this node saw end, by how.",
		}, []string{"status"}),
	}
	c.leaders = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "grafnode", Name: "raft_leader_changes_total", Help: "New terms in the log, as applied by this node.",
	})
	// Shown from the start, so that the first of a kind is an increase.
	for _, r := range reasons {
		c.generations.WithLabelValues(string(r))
	}
	for _, what := range []string{"armed", "confirmed"} {
		c.spares.WithLabelValues(what)
	}
	for _, s := range []lease.Status{lease.Expired, lease.Revoked, lease.Released} {
		c.ended.WithLabelValues(string(s))
	}
	reg.MustRegister(c.generations, c.spares, c.ended, c.leaders)
	return c
}

// Applied counts one command. It does not block. It is called for each command in the order of the log, by one goroutine.
func (c *Changes) Applied(command state.Command, r state.Result) {
	if r.Term > c.term && c.term != 0 {
		c.leaders.Inc()
	}
	c.term = r.Term
	if r.Revision <= c.revision {
		return // applied before
	}
	c.revision = r.Revision
	if r.Err != nil {
		return
	}
	c.rings(command, r.Edges)
	for _, e := range r.Ended {
		c.ended.WithLabelValues(string(e.Status)).Inc()
	}
}

// rings counts what a command did to the rings of edges.
func (c *Changes) rings(command state.Command, edges []state.Record) {
	switch command := command.(type) {
	case state.ChangeEdges:
	case state.ChangeSpare:
		if command.Arm && edges[0].Spare.Lease != "" {
			c.spares.WithLabelValues("armed").Inc()
		}
		if command.Confirm == 0 {
			return // the ring is the one that it was
		}
		c.spares.WithLabelValues("confirmed").Inc()
	default:
		return
	}
	for _, record := range edges {
		c.generations.WithLabelValues(reasonLabel(record.Reason)).Inc()
	}
}

// NewCluster returns a collector for node and registers it with reg.
func NewCluster(reg prometheus.Registerer, node locator.NodeID, r Registry, g Gossip, rings func() []Ring) *Cluster {
	c := &Cluster{
		node: node, registry: r, gossip: g, rings: rings, edges: &labels{names: names{}},
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "grafnode", Name: "build_info", Help: "Always 1; the labels say which build this is.",
		ConstLabels: prometheus.Labels{"release": version.Release, "revision": version.Read().Revision, "go": version.Read().Go},
	})
	build.Set(1)
	reg.MustRegister(c, build)
	return c
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("grafnode_"+name, help, labels, nil)
}

var (
	descGeneration = desc("edge_generation", "Generation of the edge's ring.", "edge")
	descRingUsed   = desc("ring_used_bytes", "Bytes in use of a ring on this node.", "edge")
	descRingSize   = desc("ring_capacity_bytes", "Capacity of a ring on this node.", "edge")
	descEdges      = desc("registry_edges", "Edges in the registry.")
	descSpares     = desc("registry_spares", "Edges with a spare in the registry.")
	descLeases     = desc("registry_leases", "Active leases in the registry.")
	descSessions   = desc("registry_sessions", "Live sessions in the registry.")
	descNodes      = desc("registry_nodes", "Nodes in the registry.")
	descRevision   = desc("registry_revision", "Revision applied by this node.")
	descMemory     = desc("memory_bytes", "Memory that this node lends.")
	descLeased     = desc("memory_leased_bytes", "Memory of this node that is lent.")
	descMapped     = desc("memory_mapped_bytes", "Memory of this node that holds rings: more than is lent if sessions still have some mapped that ended.")
	descLeads      = desc("raft_leader", "1 if this node leads, else 0.")
	descTerm       = desc("raft_term", "Raft term.")
	descLast       = desc("raft_last_index", "Last log index on this node.")
	descCommit     = desc("raft_commit_index", "Last committed log index that this node knows of.")
	descApplied    = desc("raft_applied_index", "Last log index that this node has applied.")
	descContact    = desc("raft_last_contact_seconds", "Since this node last heard from the leader; 0 on the leader.")
	descWrites     = desc("raft_disk_write_seconds", "Durable writes of Raft's log and votes.")
	descSlowest    = desc("raft_disk_write_slowest_seconds", "The slowest of them since the node started.")
	descVoters     = desc("raft_voters", "Voters in the Raft group.")
	descMembers    = desc("gossip_members", "Nodes by gossip's word on their health.", "health")
	descScore      = desc("gossip_health_score", "How far this node distrusts its own gossip; 0 is well.")
)

// Describe sends nothing: what is collected depends on the state, which makes the collector an unchecked one.
func (c *Cluster) Describe(chan<- *prometheus.Desc) {}

// Collect reads what there is now.
func (c *Cluster) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	c.collectState(gauge)
	c.collectRaft(gauge, out)
	c.collectRings(gauge)
	health := map[string]int{}
	for _, h := range healths {
		health[string(h)] = 0
	}
	for _, m := range c.gossip.Members() {
		health[string(m.Health)]++
	}
	for h, n := range health {
		gauge(descMembers, float64(n), h)
	}
	gauge(descScore, float64(c.gossip.HealthScore()))
}

type gauger func(d *prometheus.Desc, v float64, labels ...string)

func (c *Cluster) collectState(gauge gauger) {
	current := c.registry.State()
	edges, leases, sessions, nodes := current.Counts()
	gauge(descEdges, float64(edges))
	gauge(descLeases, float64(leases))
	gauge(descSessions, float64(sessions))
	gauge(descNodes, float64(nodes))
	gauge(descRevision, float64(current.Revision()))
	if self, ok := current.Node(c.node); ok {
		gauge(descMemory, float64(self.Memory))
		gauge(descLeased, float64(current.Leased(c.node)))
	}
	spares := 0
	for record := range current.Edges("") {
		if record.Spare != nil && record.Spare.Lease != "" {
			spares++
		}
		if name := c.edges.label(record.Name); name != other { // one value cannot stand for several edges
			gauge(descGeneration, float64(record.Generation), name)
		}
	}
	gauge(descSpares, float64(spares))
}

func (c *Cluster) collectRaft(gauge gauger, out chan<- prometheus.Metric) {
	stats := c.registry.Stats()
	leads := 0.0
	if stats.Ready {
		leads = 1
	}
	gauge(descLeads, leads)
	gauge(descTerm, float64(stats.Term))
	gauge(descLast, float64(stats.LastIndex))
	gauge(descCommit, float64(stats.CommitIndex))
	gauge(descApplied, float64(stats.Applied))
	gauge(descContact, stats.LastContact.Seconds())
	gauge(descVoters, float64(stats.Voters))
	gauge(descSlowest, stats.Disk.Slowest.Seconds())
	out <- prometheus.MustNewConstSummary(descWrites, stats.Disk.Count, stats.Disk.Seconds, nil)
}

// collectRings adds up by edge: an old ring may still be here beside the new one.
func (c *Cluster) collectRings(gauge gauger) {
	sum, mapped := map[string]Ring{}, 0
	for _, r := range c.rings() {
		name := c.edges.label(r.Edge)
		s := sum[name]
		mapped += r.Mapped
		sum[name] = Ring{Used: s.Used + r.Used, Capacity: s.Capacity + r.Capacity}
	}
	gauge(descMapped, float64(mapped))
	for name, s := range sum {
		gauge(descRingUsed, float64(s.Used), name)
		gauge(descRingSize, float64(s.Capacity), name)
	}
}

var healths = []membership.Health{membership.Alive, membership.Suspect, membership.Dead, membership.Left}

// labels is names for concurrent use.
type labels struct {
	mu sync.Mutex
	names
}

func (l *labels) label(s string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.names.label(s)
}

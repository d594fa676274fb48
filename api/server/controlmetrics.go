package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/locator"
)

// Port counts the connections of the node's one port.
type Port struct {
	Open      int    // accepted and not closed yet
	Accepted  uint64 // ever
	Refused   uint64 // because there were too many
	Evicted   uint64 // the oldest without a preface, when there were too many of those
	Late      uint64 // no preface in time, or closed before it
	Strangers uint64 // did not show by TLS who they are
}

// Control collects, when asked, what this node's part of the control plane has done: the turns that writes wait for, the Raft
// group as its leader sees it, lease time, the port.
type Control struct {
	registry Registry
	group    Group
	keeper   func() leasebroker.Stats
	port     func() Port
}

// NewControl returns a collector and registers it with reg.
func NewControl(reg prometheus.Registerer, r Registry, g Group, keeper func() leasebroker.Stats, port func() Port) *Control {
	c := &Control{registry: r, group: g, keeper: keeper, port: port}
	reg.MustRegister(c)
	return c
}

// ShowCertificate registers with reg when the node's certificate ends.
func ShowCertificate(reg prometheus.Registerer, expires func() time.Time) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "grafnode", Name: "certificate_expiry_timestamp_seconds", Help: "When the node's certificate ends.",
	}, func() float64 { return float64(expires().Unix()) }))
}

// ShowRefusals registers with reg how many peers the node has turned away.
func ShowRefusals(reg prometheus.Registerer, count func() uint64) {
	reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: "grafnode", Name: "refusals_total", Help: "Peers refused by Raft, gossip, the data port or the socket for stages, whether the log has each or not.",
	}, func() float64 { return float64(count()) }))
}

var (
	descWaiting      = desc("registry_writes_waiting", "Clients' writes that wait for their turn at this node, if it leads.")
	descTurnedAway   = desc("registry_writes_refused_total", "Clients' writes that got no turn and were refused as overload.")
	descLag          = desc("raft_follower_lag_entries", "Log entries that a member lacks, as far as this leader knows.", "node")
	descHeard        = desc("raft_follower_contact_seconds", "Since a member last answered this leader.", "node")
	descFailover     = desc("raft_failover_total", "What this node did about a leader that it lost, by step.", "step")
	descTimed        = desc("leases_timed", "Leases and sessions whose time this node keeps, if it leads.")
	descRenewals     = desc("lease_renewals_total", "Nodes' batched renewals, by outcome.", "outcome")
	descRounds       = desc("lease_renewal_rounds_total", "Quorum rounds begun to confirm renewals.")
	descLeaseEntries = desc("lease_entries_total", "Log entries proposed for lease time, by kind.", "kind")
	descConns        = desc("port_connections", "Open connections that were accepted on the node's port.")
	descAccepted     = desc("port_accepted_total", "Connections ever accepted.")
	descCut          = desc("port_cut_total", "Connections that were cut before they said what they are for, by why.", "reason")
)

// Describe sends nothing: which members there are depends on the state.
func (c *Control) Describe(chan<- *prometheus.Desc) {}

// membersShown bounds the members with series of their own. A Raft group has seven at most if it is to be any use.
const membersShown = 64

// Collect reads what there is now.
func (c *Control) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	stats := c.registry.Stats()
	gauge(descWaiting, float64(stats.Waiting))
	count(descTurnedAway, stats.Refused)
	if stats.Ready {
		c.collectMembers(gauge, stats.LastIndex, stats.Leader.ID)
	}
	count(descFailover, stats.Failover.Lost, "lost")
	count(descFailover, stats.Failover.Gone, "gone")
	count(descFailover, stats.Failover.Doubted, "doubted")
	count(descFailover, stats.Failover.Elections, "stood")
	kept := c.keeper()
	gauge(descTimed, float64(kept.Timed))
	count(descRenewals, kept.Renewals, "confirmed")
	count(descRenewals, kept.Refused, "refused")
	count(descRounds, kept.Rounds)
	count(descLeaseEntries, kept.Allowances, "allowance")
	count(descLeaseEntries, kept.Expiries, "expire")
	port := c.port()
	gauge(descConns, float64(port.Open))
	count(descAccepted, port.Accepted)
	count(descCut, port.Refused, "too-many")
	count(descCut, port.Evicted, "evicted")
	count(descCut, port.Late, "silent")
	count(descCut, port.Strangers, "stranger")
}

func (c *Control) collectMembers(gauge gauger, last uint64, leader locator.NodeID) {
	members, err := c.group.Members()
	if err != nil {
		return // closing
	}
	for i, m := range members {
		if i == membersShown {
			return
		}
		if m.ID == leader || m.LastContact < 0 {
			continue
		}
		gauge(descHeard, m.LastContact.Seconds(), string(m.ID))
		gauge(descLag, float64(last-min(m.Matched, last)), string(m.ID))
	}
}

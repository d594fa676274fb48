// Package failover measures how long an edge is interrupted by faults: `grafnode bench failover`. Three agents, a producer, a consumer
// and, where one is to wait, a standby run as processes of their own, each node and its stages on a host of its own where network
// namespaces can be had. One fault comes after the other; between them everything is made whole again, which is waited for by what
// the nodes and the stages tell. The sink is package ledger, in this process, which also makes the faults.
//
// Package plan says what comes when and what is wanted, Run measures, Main is what a stage's process does. Command grafnode calls both.
package failover

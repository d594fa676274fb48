// Package bench builds the peers that grafnode is measured beside. It is a module of its own, so that grafnode depends on none of
// them. They have the load that is put on them from grafnode's internal/benchmark, which imports nothing there but the standard library; of
// what else grafnode requires, a peer gets only newer versions of what it requires itself.
//
// `make bench-peers` builds them; `grafnode bench registry --against etcd`, `bench ring --against shmipc-go`, `bench wire --against
// nats` and `bench failover --against jetstream` run them.
package bench

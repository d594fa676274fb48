// Package bench builds the peers that grafnode is measured beside. It is a module of its own, so that grafnode depends on none of
// them, and they on nothing of grafnode's: each peer runs with the dependencies that it was released with, or newer ones.
//
// `make bench-peers` builds them; `grafnode bench registry --against etcd`, `bench ring --against shmipc-go`, `bench wire --against
// nats` and `bench failover --against jetstream` run them.
package bench

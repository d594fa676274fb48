// Package verbs is what fabric/rdma needs of an adapter for RDMA, and no more: one queue pair at a time, between two hosts, over
// which either writes into memory that the other has registered.
//
// There are two implementations: the adapter itself, in package fabric/rdma with the build tag rdma, and verbsfake, a
// deterministic one in Go memory that tests run the protocol on. This package has only types, so that neither needs the other.
//
// What stands behind a Pair, in the words of libibverbs: a protection domain of its own, a queue pair of type RC, one completion queue for
// sends and receives with a completion channel, and regions registered in that domain. So a region can be written through
// its own pair only, whoever learns its key; and when the pair is closed nothing is left of it.
//
// A crossing is a call that leaves Go: each method of Pair is one at most, whatever the number of its arguments' elements. Names and
// numbers in here are the host's byte order; an implementation brings them into the network's where the standard asks for it.
package verbs

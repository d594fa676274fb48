// Package leasebroker decides where leased memory goes and keeps the cluster's side of lease time.
//
// Place is a pure function from a request and the candidate nodes to a node. It is called by the leader's API handler for
// each lease before the lease is proposed; whether there is room is decided again when the log entry is applied.
//
// Keeper is the leader's lease time (protocol rules 18 and 19) as a step machine: an event and an instant go in,
// effects come out. Renewals stay off the log. The log holds an allowance for each lease and session, every quarter of
// its term while it is being renewed; a renewal is acknowledged no further than the allowance reaches, counted from when
// the allowance was proposed; a leader expires nothing before the allowance has run out, counted from when it applied it itself.
// Runner drives a Keeper with the node's clock and its registry. One runs on each node, leader or not: a follower
// notes when it applied each allowance, so that it can count from there when it becomes the leader.
//
// Promised, as long as clocks of different machines run apart by less than 1/256 of the time measured:
//
//   - Never early: no expiry takes effect before the deadline of any acknowledged renewal, on the holder's own clock,
//     counted from when it asked, whoever leads, stops, wakes or restarts in between.
//   - In time: with a leader at work, at most a term after the last renewal was heard; after a change of leader at most a
//     term and a half after it, or a term and a quarter after the new leader had applied what its predecessors committed,
//     whichever is later. A stopped leader is late by as long as it was stopped.
//   - A renewal that was asked for after a lease's end had been committed is not acknowledged.
//
// Not promised: that a holder is told of an end, that an arena is sealed (its node and its holders do that by the deadline
// in its header), or anything about the first term of a lease: a holder that did not itself ask for the grant has no
// deadline before its first renewal is acknowledged.
package leasebroker

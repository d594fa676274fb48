// Package server answers grafnode's HTTP API on one node: the wire types of package api over the registry, the broker, the
// gossip and the block regions of that node.
//
// Any node may be asked anything. Writes, and reads that must be fresh, are passed on to the leader, one hop and no
// further; stale reads, watches, metrics and health are answered here. Requests are decoded strictly: an unknown field, a
// second value, or a body over the limit is refused with what was wrong. A request ends in one of three ways: done, an error
// that says it was not done, or api.ErrUnknown; a request that was being passed on when the leader went away is unknown, never
// silently sent again.
//
// Each request is held to the rights of its caller (access.go), deny by default: those of a token that it shows, else of its connection's certificate or
// user, else of the session whose secret it shows. Who a connection is of, its server says (WithCaller). It holds no state but counters. Package node is its only caller and
// serves Handler on the TCP port and on the Unix socket.
package server

// Package host is the node's end of its stages: their sessions, and the rings that lie on this node.
//
// Sessions come over the node's Unix socket (api/session.go has the protocol). A session's connection being open is its
// process being alive: when it closes, the host asks the cluster at once to end the session, and goes on asking. Only
// sessions that beat are offered for renewal, so a stopped process loses its session though its connection is open.
//
// Rings follow the cluster's decisions, read from this node's applied state and never from a message: a ring is made when its
// lease is active, on this incarnation of the node, and a session with the right to one of its sides attaches; it is sealed,
// with the reason, when the lease is gone. Memory is lent from a fixed amount, of which everything that is still
// mapped counts. A deadline stands in a ring only if a renewal has confirmed it, counted from when the node asked.
//
// Data connections are bounded, in all and for each session, and one whose ring has ended is cut after a while, so that no peer holds
// memory or connections of the node beyond what the cluster gives it.
//
// Not promised: that a seal stops a writer, or that the host notices anything in time. Nothing here decides who owns what;
// epochs and fresh memory do.
//
// Package node puts the host together with the rest: it implements State and Leader, sends the batched renewal, calls Applied
// after each change of the state, and hands over data connections. The host imports neither the registry nor any consensus.
package host

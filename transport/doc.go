// Package transport shares a node's one TCP port between Raft, the data plane and the HTTP API.
//
// A connection says in its first bytes what it is for: api.PrefaceRaft, api.PrefaceData, or anything else, which is HTTP and
// keeps those bytes. Each use gets a listener of its own, so that raft, fabric/tcp and net/http know nothing of each other.
//
// Promises, whatever a peer does: nothing but a goroutine and a few bytes is spent on a connection before its preface has come; it
// comes within Config.PrefaceTimeout or the connection is cut; there are never more than Config.ConnsMax connections, of which
// at most Config.PeerConnsMax of one peer, and at most Config.NewConnsMax without a preface, the oldest of those making room for the next, of
// its own peer if that has half of them (an honest one says its preface in its first packet, so it is never the oldest for long); data connections are
// bounded in the same way until their user says that the other end is proven; an eighth of all is for Raft, and for those without a preface; Close cuts
// every connection, accepted or dialled, and waits. Dead hosts are noticed by the kernel (see internal/tcpconn).
//
// With Config.Identity the peers of Raft connections are nodes of the same authority, and those of HTTP connections are who Secured.Role says; both are
// encrypted. The preface stays in front of the handshake, unencrypted: it says nothing that the port would not. On data
// connections fabric/tcp does the handshake itself, for it has its own way to write. Without, nothing is promised about
// who is there and who listens, and the network must be one's own.
//
// Package node opens a Mux and hands Raft to package registry, Data to fabric/tcp and HTTP to api/server. Limits on what follows
// the preface (headers, messages, idle time) are the listeners' users' to set.
package transport

// Package transport shares a node's one TCP port between Raft, the data plane and the HTTP API.
//
// A connection says in its first bytes what it is for: api.PrefaceRaft, api.PrefaceData, or anything else, which is HTTP and
// keeps those bytes. Each use gets a listener of its own, so that raft, fabric/tcp and net/http know nothing of each other.
//
// Promises, whatever a peer does: nothing but a goroutine and a few bytes is spent on a connection before its preface has come; it
// comes within Config.PrefaceTimeout or the connection is cut; there are never more than Config.ConnsMax connections, of which
// at most Config.NewConnsMax without a preface, the oldest of those making room for the next (an honest peer says its preface in
// its first packet, so it is never the oldest for long); Close cuts every connection, accepted or dialled, and waits. Dead
// hosts are noticed by the kernel (see internal/tcpconn).
//
// It does not promise secrecy or identity: this version speaks plain TCP, to be used on a network of one's own. TLS goes in at two
// lines: Mux.identify, where a handshake with ALPN would tell the use instead of a preface, and tcpconn.Dial.
//
// Package node opens a Mux and hands Raft to package registry, Data to fabric/tcp and HTTP to api/server. Limits on what follows
// the preface (headers, messages, idle time) are the listeners' users' to set.
package transport

package state

import (
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Times in the state are nanoseconds since the Unix epoch, as the proposer saw them: for people only, nothing is decided by
// them.

// Node is a node as the state knows it.
type Node struct {
	ID          locator.NodeID
	Name        string
	Zone        string
	Address     string // IP:port
	Incarnation uint64 // counts RegisterNode
	Memory      uint64 // bytes that it lends
	Version     string
	Drain       api.Drain `codec:",omitempty"` // why nothing new is placed here, from level 4 on
	Ineligible  bool      `codec:",omitempty"` // an operator wants nothing new placed here, from level 6 on
}

// Closed reports whether nothing new is placed on the node.
func (n Node) Closed() bool { return n.Drain != api.DrainNot || n.Ineligible }

// Session is one run of one stage process.
type Session struct {
	ID          lease.SessionID
	Stage       string
	Node        locator.NodeID
	Incarnation uint64 // of the node that holds its socket
	PID         int
	TTL         time.Duration
	Token       [32]byte // SHA-256 of its secret
	Opened      int64
	Seq         uint64 // counts its allowances
	// Rules, from level 5 on, are all that it may do; none: what any session may. Shared, never changed in place.
	Rules api.Rules `codec:",omitempty"`
}

// Lease is a grant of a node's memory or storage.
type Lease struct {
	ID          lease.ID
	Kind        lease.Kind
	Node        locator.NodeID
	Incarnation uint64 // of the node that serves it
	Bytes       uint64
	TTL         time.Duration
	Edge        string          // rings
	Session     lease.SessionID // others: the holder; empty for a block region that waits for a successor
	Name        string          // named block regions
	Epoch       fence.Epoch     // rings: the generation; others: rises with each holder
	Granted     int64
	Seq         uint64 // counts its allowances
	// Asked, from level 2 on, is the ID of the GrantLease by which its holder has it, if that was not the one that made it.
	Asked lease.ID `codec:",omitempty"`
}

// Ended is a lease or session that is over. Only the last EndedMax are remembered, so that late renewers learn why.
type Ended struct {
	ID     string
	Status lease.Status
	Seq    uint64
}

// Record is the handoff record of an edge. Its existence is the grant of its generation to its lease's arena. The lease may
// have ended since (Reason says so); then the record waits for its next change. Lease and Node are empty if the state knows no
// place where the ring could be: its node was removed, or all generations have jumped.
//
// Its history ends with the edge: a tombstone keeps only what the next edge of that name must not repeat.
type Record struct {
	Name       string
	Generation fence.Epoch
	Lease      lease.ID
	Node       locator.NodeID
	Capacity   uint64 // bytes
	Codec      string
	Producer   api.Side
	Consumer   api.Side
	Revision   api.Revision
	Changed    int64
	Reason     api.Reason
	Op         Op
	// Made, from level 2 on, are the IDs of the last changes that made the edge, each time after it was deleted, oldest first, at
	// most MadeMax. A late copy of one is not applied again. Shared, never changed in place.
	Made []string `codec:",omitempty"`
	// Spare, from level 3 on, is what is known of the edge's spares; nil: there was none since the last ChangeEdges.
	Spare *Spare      `codec:",omitempty"`
	past  queue[Past] // at most HistoryMax
}

// Spare is what a record knows of its edge's spares. Shared, never changed in place.
type Spare struct {
	Generation fence.Epoch    // the highest that the edge's spares have had, also of one that is the ring now or was given up
	Lease      lease.ID       // of the spare that is armed, active; empty: none is
	Node       locator.NodeID // its
	Producer   fence.Epoch    // epochs of the roles that it was granted to
	Consumer   fence.Epoch
	Op         Op // the last ChangeSpare, as Record.Op is the last ChangeEdges
	// Planned, from level 4 on: the producer is to move to the spare that is armed.
	Planned bool `codec:",omitempty"`
}

// Op is the last ChangeEdges that was applied to a record: asked for again, it gives the first answer.
type Op struct {
	ID       string
	Session  lease.SessionID
	Revision api.Revision
}

// Past is one entry of a record's history.
type Past struct {
	Revision   api.Revision
	Generation fence.Epoch
	Node       locator.NodeID
	Reason     api.Reason
	Actor      lease.SessionID
	Detail     string
	At         int64
	Spare      fence.Epoch `codec:",omitempty"` // generation of the spare that was armed then, from level 3 on
}

// Tombstone is what is left of a deleted edge, so that its generations are not granted again.
type Tombstone struct {
	Name     string
	Top      fence.Epoch // highest generation ever granted
	Revision api.Revision
	Deleted  int64
	Op       string   `codec:",omitempty"` // of the DeleteEdge, from level 2 on
	Made     []string `codec:",omitempty"` // as the record's
}

// Checkpoint is a small fenced value.
type Checkpoint struct {
	Key      string
	Epoch    fence.Epoch
	Value    []byte // shared, never changed in place; nil: never written
	Sum      uint32 // CRC32C of Value
	Revision api.Revision
}

// Token is a capability. It is no record that can be watched: what there is to know of it is for operators only.
type Token struct {
	ID      string
	Name    string    // for people
	Hash    [32]byte  // SHA-256 of its secret; never shown
	Rules   api.Rules // all that it allows; shared, never changed in place
	Expires int64     // Unix seconds, by the clock of the node that is asked; zero: never
	Created int64
}

// API returns r as the API shows it. The locator is put together from the record and what s says of its node now, so it
// follows a node to a new address.
func (r Record) API(s *State) api.Edge {
	return api.Edge{
		Name: r.Name, Stage: r.Producer.Stage, Generation: r.Generation, Locator: r.Locator(s), Producer: r.Producer,
		Consumer: r.Consumer, Spare: r.spareAPI(s), Codec: r.Codec, Capacity: r.Capacity, Revision: r.Revision,
		Changed: instant(r.Changed), Reason: r.Reason,
	}
}

func (r Record) spareAPI(s *State) *api.Spare {
	if !r.armed() {
		return nil
	}
	is := r.Spare
	return &api.Spare{
		Generation: is.Generation, Locator: s.ring(is.Node, is.Lease, is.Generation, r.Capacity),
		Producer: is.Producer, Consumer: is.Consumer, Planned: is.Planned,
	}
}

// Locator says where r's ring lies; zero if there is no such place.
func (r Record) Locator(s *State) locator.Locator {
	if r.Node == "" {
		return locator.Locator{}
	}
	return s.ring(r.Node, r.Lease, r.Generation, r.Capacity)
}

func (s *State) ring(node locator.NodeID, id lease.ID, generation fence.Epoch, bytes uint64) locator.Locator {
	n, _ := s.Node(node)
	return locator.Locator{
		Kind: locator.Queue, Node: n.ID, Zone: n.Zone, Address: n.Address, Arena: id.Arena(), Generation: generation, Bytes: bytes,
	}
}

// API returns t as a watch shows it.
func (t Tombstone) API() api.Edge {
	return api.Edge{Name: t.Name, Generation: t.Top, Revision: t.Revision, Changed: instant(t.Deleted), Deleted: true}
}

// API returns p as the API shows it.
func (p Past) API() api.Change {
	return api.Change{
		Revision: p.Revision, Generation: p.Generation, Node: p.Node, Spare: p.Spare, Reason: p.Reason, Actor: p.Actor,
		Detail: p.Detail, Time: instant(p.At),
	}
}

// memory returns how much of its node's memory l takes. Block storage is not counted.
func (l Lease) memory() uint64 {
	if l.Kind == lease.KindMemory {
		return l.Bytes
	}
	return 0
}

// rings returns 1 if l is of a ring.
func (l Lease) rings() uint64 {
	if l.Edge != "" {
		return 1
	}
	return 0
}

// API returns l as the API shows it.
func (l Lease) API() api.Lease {
	return api.Lease{
		ID: l.ID, Kind: l.Kind, Status: lease.Active, Node: l.Node, Incarnation: l.Incarnation, Bytes: l.Bytes, TTL: l.TTL,
		Edge: l.Edge, Session: l.Session, Name: l.Name, Generation: l.Epoch, Granted: instant(l.Granted),
	}
}

// Locator says where l's memory or storage lies.
func (l Lease) Locator(s *State) locator.Locator {
	n, _ := s.Node(l.Node)
	where := locator.Locator{
		Kind: locator.Memory, Node: n.ID, Zone: n.Zone, Address: n.Address, Arena: l.ID.Arena(), Bytes: l.Bytes,
	}
	switch {
	case l.Edge != "":
		where.Kind, where.Generation = locator.Queue, l.Epoch
	case l.Kind == lease.KindBlock:
		where.Kind = locator.Block
	}
	return where
}

// Grant returns l as its holder gets it.
func (l Lease) Grant(s *State) lease.Grant {
	return lease.Grant{ID: l.ID, Kind: l.Kind, Bytes: l.Bytes, TTL: l.TTL, Epoch: l.Epoch, Locator: l.Locator(s)}
}

// API returns n as the API shows it, without what gossip and Raft know of it.
func (n Node) API(s *State) api.Node {
	return api.Node{
		ID: n.ID, Name: n.Name, Zone: n.Zone, Address: n.Address, Incarnation: n.Incarnation, Memory: n.Memory,
		Leased: s.Leased(n.ID), Version: n.Version, Drain: n.Drain, Ineligible: n.Ineligible,
	}
}

// API returns t as the API shows it.
func (t Token) API() api.Token {
	shown := api.Token{ID: t.ID, Name: t.Name, Rules: t.Rules, Created: instant(t.Created)}
	if t.Expires != 0 {
		shown.Expires = time.Unix(t.Expires, 0).UTC()
	}
	return shown
}

// API returns c as the API shows it.
func (c Checkpoint) API() api.Checkpoint {
	return api.Checkpoint{Key: c.Key, Epoch: c.Epoch, Value: c.Value, Sum: c.Sum, Revision: c.Revision}
}

func instant(ns int64) time.Time { return time.Unix(0, ns).UTC() }

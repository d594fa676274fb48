package edgetest

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/inproc"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Cluster is a registry and the memory behind it. All methods are safe for concurrent use.
type Cluster struct {
	mu       sync.Mutex
	revision api.Revision
	edges    map[string]api.Edge
	top      map[string]fence.Epoch // highest generation ever granted, by edge
	rings    map[locator.ArenaID]*ring
	sessions map[lease.SessionID]chan struct{} // open ones; closed when the session ends
	changed  chan struct{}                     // closed and replaced at each revision
	nodes    int                               // arenas take turns on this many nodes
	down     map[locator.NodeID]bool           // of these
	away     bool                              // nobody reaches the registry
	local    bool                              // who attaches to a ring writes and reads its memory
	pace     pace                              // of rings that are made from now on
	thrifty  bool                              // so are they
	clients  []*Client
	network  network
	judge    judge
	steps    steps
	arena    func(fabric.Config) (fabric.Arena, error)
}

// ring is an arena and what has happened to the way to it.
type ring struct {
	arena   fabric.Arena
	node    locator.NodeID
	judge   *judge
	pace    pace
	thrifty bool
	lost    chan struct{} // closed: nobody reaches it any more
	cut     atomic.Bool   // lost is closed
	damaged atomic.Bool   // the next record that is read
}

// pace is how many records a consumer takes before it waits, and for how long. The zero pace is none.
type pace struct {
	records int
	every   time.Duration
}

// nodesDefault is how many nodes a cluster has unless told otherwise.
const nodesDefault = 3

// New returns an empty cluster of three nodes, with rings in Go memory.
func New() *Cluster {
	return NewOn(func(c fabric.Config) (fabric.Arena, error) { return inproc.New(c) })
}

// NewOn is New with rings made by arena.
func NewOn(arena func(fabric.Config) (fabric.Arena, error)) *Cluster {
	return &Cluster{
		arena: arena, down: map[locator.NodeID]bool{},
		judge: newJudge(),
		edges: map[string]api.Edge{}, top: map[string]fence.Epoch{}, rings: map[locator.ArenaID]*ring{},
		sessions: map[lease.SessionID]chan struct{}{}, changed: make(chan struct{}), nodes: nodesDefault,
	}
}

// Edge returns an edge's record.
func (c *Cluster) Edge(name string) (api.Edge, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rec, ok := c.edges[name]
	return rec, ok
}

// LoseRing makes an edge's current ring unreachable for both sides, as the death of its host does.
func (c *Cluster) LoseRing(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rings[c.edges[name].Locator.Arena]; r != nil {
		r.lose()
	}
}

// Revoke takes the lease of an edge's current ring back.
func (c *Cluster) Revoke(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rec := c.edges[name]
	if r := c.rings[rec.Locator.Arena]; r != nil {
		r.arena.Seal(fabric.ErrRevoked)
		rec.Reason = api.ReasonRevoked
		c.put(rec)
	}
}

// Seal ends an edge's current ring, as its node does when it is stopped in good order.
func (c *Cluster) Seal(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seal(c.edges[name].Locator)
}

// names returns the edges there are.
func (c *Cluster) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.edges))
}

func (c *Cluster) nodeCount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes
}

// SetNodes changes on how many nodes arenas are made from now on; with one there are no spares.
func (c *Cluster) SetNodes(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes = n
}

// SetLocal says whether sides that attach from now on write and read the ring's memory, as on its host, or have each record
// carried, as on another. They do the latter until told.
func (c *Cluster) SetLocal(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.local = on
}

// SetPace makes time pass: in rings that are made from now on a consumer takes so many records, and then none for a while. Zero
// records are no limit, as at the start.
func (c *Cluster) SetPace(records int, every time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pace = pace{records, every}
}

// SetThrifty has both sides of rings that are made from now on wait as fabric.Thrifty says, whatever they ask for. It is for made-up time,
// which stands still while somebody looks for news.
func (c *Cluster) SetThrifty() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.thrifty = true
}

// SetReachable says whether anybody reaches the registry. Rings do not need it.
func (c *Cluster) SetReachable(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = !on
	c.tell()
}

// Close ends all sessions and rings.
func (c *Cluster) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.sessions {
		c.end(id)
	}
	for _, r := range c.rings {
		r.arena.Close()
	}
}

func (r *ring) lose() {
	select {
	case <-r.lost:
	default:
		r.cut.Store(true)
		close(r.lost)
		r.arena.Seal(fabric.ErrSealed) // wakes whoever waits on it
	}
}

// put stores a record under the next revision and tells the followers.
func (c *Cluster) put(rec api.Edge) api.Edge {
	c.revision++
	rec.Revision = c.revision
	c.judge.changed(c.edges[rec.Name], rec)
	c.edges[rec.Name] = rec
	c.tell()
	return rec
}

func (c *Cluster) tell() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// end ends a session: its roles are free, their generations unchanged.
func (c *Cluster) end(id lease.SessionID) {
	lost, open := c.sessions[id]
	if !open {
		return
	}
	delete(c.sessions, id)
	close(lost)
	for _, rec := range c.edges {
		free := false
		for _, side := range []*api.Side{&rec.Producer, &rec.Consumer} {
			if side.Session == id {
				side.Session, free = "", true
			}
		}
		if free {
			rec.Reason = api.ReasonGone
			c.put(rec)
		}
	}
}

// change applies a request by protocol rules 1 to 4.
func (c *Cluster) change(req api.ChangeRequest) ([]api.Edge, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, open := c.sessions[req.Session]; !open {
		return nil, api.Errorf(api.KindSession, "session %s has ended", req.Session)
	}
	for _, e := range req.Edges {
		rec := c.edges[e.Name]
		if rec.Revision != e.Expect {
			return nil, api.Errorf(api.KindConflict, "edge %s is at revision %d, not %d", e.Name, rec.Revision, e.Expect)
		}
		if e.Codec != "" && rec.Codec != "" && e.Codec != rec.Codec {
			return nil, api.Errorf(api.KindCodec, "edge %s carries codec %s, not %s", e.Name, rec.Codec, e.Codec)
		}
		if !e.TakeProducer && !e.TakeConsumer && rec.Producer.Session != req.Session && rec.Consumer.Session != req.Session {
			return nil, api.Errorf(api.KindFenced, "session %s has no role on edge %s", req.Session, e.Name)
		}
	}
	var out []api.Edge
	for _, e := range req.Edges {
		rec, err := c.renew(c.edges[e.Name], e, req)
		if err != nil {
			return nil, err
		}
		out = append(out, c.put(rec))
	}
	return out, nil
}

// renew gives a record its next generation and a fresh arena.
func (c *Cluster) renew(rec api.Edge, e api.EdgeChange, req api.ChangeRequest) (api.Edge, error) {
	if e.Capacity != 0 {
		rec.Capacity = e.Capacity
	}
	rec.Name = e.Name
	at, err := c.grant(rec, c.place(e.Name, e.AvoidNodes...))
	if err != nil {
		return rec, err
	}
	c.seal(rec.Locator)
	rec = c.endSpare(rec)
	gen := at.Generation
	rec.Generation, rec.Reason, rec.Locator = gen, req.Reason, at
	if e.Codec != "" {
		rec.Codec = e.Codec
	}
	if e.TakeProducer {
		rec.Stage, rec.Producer = e.ProducerStage, api.Side{Stage: e.ProducerStage, Session: req.Session, Epoch: gen}
	}
	if e.TakeConsumer {
		rec.Consumer = api.Side{Stage: e.ConsumerStage, Session: req.Session, Epoch: gen}
	}
	return rec, nil
}

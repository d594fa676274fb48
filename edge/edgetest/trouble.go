package edgetest

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
)

// Trouble does to a cluster what happens to real ones, by seed. Its methods are safe for concurrent use.
type Trouble struct {
	c      *Cluster
	faults []Fault
	spares bool

	mu   sync.Mutex
	over bool
	done map[string]int
	r    *rand.Rand
}

// Fault is a kind of failure.
type Fault struct {
	Name string
	Doc  string
	do   func(*Trouble)
}

// NewTrouble returns the trouble of a seed. It is made of the Faults of these names; without names, of all.
func NewTrouble(c *Cluster, seed uint64, names ...string) *Trouble {
	x := &Trouble{c: c, r: rand.New(rand.NewPCG(seed, 5)), spares: c.nodeCount() > 1, done: map[string]int{}}
	for _, f := range Faults() {
		if len(names) == 0 || slices.Contains(names, f.Name) {
			x.faults = append(x.faults, f)
		}
	}
	return x
}

// Strike has something happen, and often something else at the same time. It returns what: nothing after Relent. Cluster.AtStep has it happen
// between two steps of the processes, and not only when all of them wait.
func (x *Trouble) Strike() (names []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return nil
	}
	for range 1 + x.r.IntN(2) {
		f := x.faults[x.r.IntN(len(x.faults))]
		f.do(x)
		x.done[f.Name]++
		names = append(names, f.Name)
	}
	return names
}

// Done returns how often each fault has struck.
func (x *Trouble) Done() map[string]int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return maps.Clone(x.done)
}

// Relent ends the trouble, and what lasts of it: the registry is there for everybody, and so are the nodes. What was lost stays lost.
func (x *Trouble) Relent() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
	x.c.SetReachable(true)
	if x.spares {
		x.c.SetNodes(nodesDefault)
	}
	for _, p := range x.c.Clients() {
		p.SetReachable(true)
	}
}

func (x *Trouble) edge() string {
	names := x.c.names()
	if len(names) == 0 {
		return ""
	}
	return names[x.r.IntN(len(names))]
}

// process calls do with one of the processes, if there is any.
func (x *Trouble) process(do func(*Client)) {
	if all := x.c.Clients(); len(all) > 0 {
		do(all[x.r.IntN(len(all))])
	}
}

// time returns how long something lasts: mostly about mean, sometimes far longer.
func (x *Trouble) time(mean time.Duration) time.Duration {
	return time.Duration(x.r.ExpFloat64() * float64(mean))
}

func (x *Trouble) coin() bool { return x.r.IntN(2) == 0 }

func (x *Trouble) role() fabric.Role {
	if x.coin() {
		return fabric.RoleProducer
	}
	return fabric.RoleConsumer
}

// Faults returns all that there are.
func Faults() []Fault { return slices.Clone(faults()) }

var faults = sync.OnceValue(func() []Fault { return slices.Concat(ringFaults, partyFaults, registryFaults) })

const ms = time.Millisecond

var ringFaults = []Fault{
	{"ring lost", "the host of an edge's ring dies", func(x *Trouble) { x.c.LoseRing(x.edge()) }},
	{"spare lost", "the host of an edge's spare dies", func(x *Trouble) { x.c.LoseSpare(x.edge()) }},
	{"side lost", "one process loses its way to a ring", func(x *Trouble) { x.process(func(p *Client) { p.LoseRing(x.edge()) }) }},
	{"spare's side lost", "one process loses its way to a spare", func(x *Trouble) { x.process(func(p *Client) { p.LoseSpare(x.edge()) }) }},
	{"ring sealed", "the node of a ring is stopped in good order", func(x *Trouble) { x.c.Seal(x.edge()) }},
	{"ring silent", "a ring's host hears and says nothing for a while", func(x *Trouble) { x.c.CutRing(x.edge(), x.time(200*ms)) }},
	{"spare silent", "a spare's host hears and says nothing for a while", func(x *Trouble) { x.c.CutSpare(x.edge(), x.time(200*ms)) }},
	{"cut one way", "what one side of a ring does does not reach the other for a while", func(x *Trouble) {
		x.c.CutOneWay(x.edge(), x.role(), x.time(200*ms))
	}},
	{"ring slow", "what the sides of a ring do takes long to reach each other", func(x *Trouble) {
		x.c.SlowRing(x.edge(), x.time(10*ms)+1, x.time(500*ms))
	}},
	{"ring damaged", "a record is another when it is read than it was when it was written", func(x *Trouble) { x.c.Damage(x.edge()) }},
	{"near and far", "who attaches to a ring from now on is on its host, or on another", func(x *Trouble) { x.c.SetLocal(x.coin()) }},
}

var partyFaults = []Fault{
	{"killed", "a process dies", func(x *Trouble) { x.process((*Client).Kill) }},
	{"session over", "a process's session ends, and it lives on as a zombie", func(x *Trouble) { x.process((*Client).EndSession) }},
	{"paused", "a process stops for a while: at times for longer than its lease, and wakes as a zombie", func(x *Trouble) {
		x.process(func(p *Client) { p.Pause(x.time(2000 * ms)) })
	}},
	{"host lost", "a node, the rings on it and the processes beside it die, and the node comes back with nothing", func(x *Trouble) {
		x.c.KillHost(x.r.IntN(nodesDefault), x.time(1000*ms))
	}},
	{"node restarted", "a node goes and comes back, and finds the rings that nobody used through it", func(x *Trouble) {
		x.c.RestartNode(x.r.IntN(nodesDefault), x.time(3000*ms))
	}},
	{"nodes come and go", "there are more or fewer nodes to lie on; with one, there are no spares", func(x *Trouble) {
		if x.spares {
			x.c.SetNodes(1 + x.r.IntN(nodesDefault+1))
		}
	}},
}

var registryFaults = []Fault{
	{"revoked", "the lease of a ring is taken back", func(x *Trouble) { x.c.Revoke(x.edge()) }},
	{"expired", "the lease of a ring runs out, which the record says only later", func(x *Trouble) { x.c.Expire(x.edge(), x.time(100*ms)) }},
	{"spare's lease over", "the lease of a spare ends", func(x *Trouble) { x.c.EndSpare(x.edge()) }},
	{"cut from the registry", "one process does not reach the registry, until it does again", func(x *Trouble) {
		x.process(func(p *Client) { p.SetReachable(x.coin()) })
	}},
	{"no quorum", "nobody reaches the registry, until somebody does again", func(x *Trouble) { x.c.SetReachable(x.r.IntN(4) > 0) }},
	{"registry slow", "requests to the registry, answers and news take long", func(x *Trouble) {
		x.c.SlowRegistry(x.time(30*ms), x.time(1000*ms))
	}},
	{"answers lost", "writes are carried out, and whoever asked does not learn it", func(x *Trouble) { x.c.LoseAnswers(1+x.r.IntN(3), false) }},
	{"writes late", "writes are carried out when whoever asked has given them up", func(x *Trouble) { x.c.LoseAnswers(1+x.r.IntN(3), true) }},
	{"moved", "somebody asks for another ring without need", func(x *Trouble) { x.c.move(x.edge()) }},
}

// move gives an edge another ring, as an operator does.
func (c *Cluster) move(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rec, known := c.edges[name]
	if !known {
		return
	}
	if rec, err := c.renew(rec, api.EdgeChange{Name: name}, api.ChangeRequest{Reason: api.ReasonRequested}); err == nil {
		c.put(rec)
	}
}

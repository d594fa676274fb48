package nemesis

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Kind is a kind of fault.
type Kind string

// The faults. Each ends when its time is over or its phase ends, by the opposite.
const (
	Kill       Kind = "kill"        // SIGKILL; then started again
	Stop       Kind = "stop"        // SIGSTOP; then SIGCONT
	Cut        Kind = "cut"         // a minority hears nobody and nobody hears it
	OneWay     Kind = "one-way"     // what one node sends another does not arrive
	Ring       Kind = "ring"        // each node reaches its two neighbours only
	Flap       Kind = "flap"        // a cable goes in and out
	SlowDisk   Kind = "slow-disk"   // each write takes longer
	FailDisk   Kind = "fail-disk"   // a write fails; the node ends, and is started again
	FullDisk   Kind = "full-disk"   // no room is left; the node may end for it, and is started again when there is some
	Restart    Kind = "restart"     // SIGTERM, and started again
	RestartAll Kind = "restart-all" // all nodes are killed at once and started again
	Transfer   Kind = "transfer"    // leadership goes to another node
	Snapshot   Kind = "snapshot"    // an operator saves one
	Replace    Kind = "replace"     // a node is removed for good, and a new one comes in its place
)

// Step is one fault.
type Step struct {
	Kind  Kind
	Nodes []int         // whom it hits, by number; for one-way: from, to. The first may be Leader
	At    time.Duration // from the beginning of its phase
	For   time.Duration // how long
	Size  time.Duration // slow-disk: how much longer; flap: how long in, how long out
}

// Leader stands for whichever node leads when the step is due.
const Leader = -1

// String returns one line.
func (s Step) String() string {
	text := fmt.Sprintf("%s %v at %v for %v", s.Kind, s.Nodes, s.At.Round(time.Millisecond), s.For.Round(time.Millisecond))
	if s.Size != 0 {
		text += fmt.Sprintf(" by %v", s.Size.Round(time.Millisecond))
	}
	return text
}

// Phase is steps that overlap, by At.
type Phase []Step

// Config says what a plan is made of.
type Config struct {
	Nodes  int
	Phases int
	Term   time.Duration // of the shortest leases: pauses are longer
	Kinds  []Kind        // that may be used; each comes once before any comes twice
}

// Plan returns the plan that a seed stands for.
func Plan(seed uint64, c Config) []Phase {
	p := planner{Config: c, random: rand.New(rand.NewPCG(seed, 0x6e656d65736973))}
	var phases []Phase
	for range c.Phases {
		phases = append(phases, p.phase())
	}
	return phases
}

type planner struct {
	Config
	random *rand.Rand
	deck   []Kind
}

// phase draws one to three faults that overlap.
func (p *planner) phase() Phase {
	var steps Phase
	for range 1 + p.random.IntN(3) {
		steps = append(steps, p.step(p.draw()))
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return int(a.At - b.At) })
	return steps
}

// draw returns the next kind from a shuffled deck, so that even short runs have variety.
func (p *planner) draw() Kind {
	if len(p.deck) == 0 {
		p.deck = slices.Clone(p.Kinds)
		p.random.Shuffle(len(p.deck), func(i, j int) { p.deck[i], p.deck[j] = p.deck[j], p.deck[i] })
	}
	k := p.deck[0]
	p.deck = p.deck[1:]
	return k
}

func (p *planner) step(k Kind) Step {
	s := Step{Kind: k, At: p.between(0, 1500*time.Millisecond), For: p.between(500*time.Millisecond, 3*time.Second)}
	switch k {
	case RestartAll, Ring:
	case Cut:
		s.Nodes = p.some(1 + p.random.IntN((p.Nodes-1)/2))
	case OneWay:
		s.Nodes = p.some(2)
	default:
		s.Nodes = p.some(1)
	}
	switch k {
	case Stop:
		s.For = p.between(p.Term/4, 2*p.Term)
	case SlowDisk:
		s.Size = p.between(20*time.Millisecond, 400*time.Millisecond)
	case Flap:
		s.Size = p.between(100*time.Millisecond, 600*time.Millisecond)
	}
	return s
}

// some draws n nodes. Leaders are what most depends on: half the time the first is whoever leads then.
func (p *planner) some(n int) []int {
	nodes := p.random.Perm(p.Nodes)[:n]
	if p.random.IntN(2) == 0 {
		nodes[0] = Leader
	}
	return nodes
}

func (p *planner) between(a, b time.Duration) time.Duration {
	return a + time.Duration(p.random.Int64N(int64(b-a)))
}

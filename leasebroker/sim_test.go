package leasebroker

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/grafnode/grafnode/lease"
)

// sim is a cluster in one goroutine and real time made up: keepers on machines with clocks of their own, an abstract Raft log,
// and holders that renew. It knows the true time of everything, which nobody in it does, and judges by that.
type sim struct {
	rng    *rand.Rand
	now    time.Duration
	queue  events
	serial int

	machines []*machine
	leader   *machine // Raft's truth; nil: none
	term     uint64
	pending  []*proposed // appended by the leader, not committed
	log      []Applied   // committed; At unused
	state    map[Key]Timed

	keys    map[Key]*truth
	names   int
	tickets map[Ticket]request
	ticket  Ticket

	outage time.Duration // true time so far without a leader at work
	rough  bool          // messages may be slow, proposals fail or are forgotten
	plant  plant
	found  []string // violations
	stats  struct{ acks, expiries, elections, restarts, allowances, refusedExpiries int }
}

// truth is what really happened to a key.
type truth struct {
	ttl      time.Duration
	holder   clock
	granted  time.Duration
	alive    bool          // its holder still renews
	last     time.Duration // when a leader last heard a renewal, or the grant was committed
	outageAt time.Duration // outage at that time
	furthest time.Duration // latest acknowledged deadline, true time
	ended    time.Duration // committed end; zero: not
	expired  bool
}

type request struct {
	keys  []Key
	asked time.Duration
}

// proposed is an entry on its way into the log.
type proposed struct {
	by       *machine
	life     int
	kind     string
	term     uint64 // of the command
	appended uint64 // of the entry
	number   uint64
	seen     []Seen
	grant    []Timed
	since    time.Duration // when its proposer began to lead
}

// clock is a machine's own time: another origin, another speed.
type clock struct {
	origin time.Duration
	boot   time.Duration
	ppm    int64
}

func (c clock) at(now time.Duration) lease.Instant {
	d := now - c.boot
	return lease.Instant(c.origin + d + d*time.Duration(c.ppm)/1e6)
}

// lasts is how much true time passes while the clock shows d.
func (c clock) lasts(d time.Duration) time.Duration { return d - d*time.Duration(c.ppm)/1e6 }

// plant is a bug to be caught.
type plant struct {
	planted    bool   // judge safety only
	skipRound  bool   // acknowledge before the quorum round has ended
	from       uint64 // the seed to begin with: bugs that show themselves seldom
	skipTerm   bool   // the log does not compare terms
	beforeStep func(m *machine)
	afterStep  func(m *machine)
	afterLead  func(m *machine)
}

type machine struct {
	s      *sim
	id     int
	clock  clock
	life   int // counts restarts: what was meant for an earlier life is dropped
	keeper *Keeper
	timer  int
	leads  uint64 // the term that its keeper leads
	since  time.Duration

	applied int
	state   map[Key]Timed
	seenAt  map[Key]lease.Instant // when it applied the grant
	paused  time.Duration         // until then it does nothing; its clock goes on
}

type event struct {
	at     time.Duration
	serial int
	do     func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].serial < e[j].serial
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func newSim(seed uint64, p plant) *sim {
	s := &sim{
		rng: rand.New(rand.NewPCG(seed, 18)), plant: p, rough: seed%2 == 0,
		state: map[Key]Timed{}, keys: map[Key]*truth{}, tickets: map[Ticket]request{},
	}
	for i := range 3 {
		m := &machine{s: s, id: i}
		m.start()
		s.machines = append(s.machines, m)
	}
	return s
}

func (s *sim) between(low, high time.Duration) time.Duration {
	return low + time.Duration(s.rng.Int64N(int64(high-low)))
}

func (s *sim) chance(percent int) bool { return s.rng.IntN(100) < percent }

// delay is a message's or a disk's: mostly short.
func (s *sim) delay() time.Duration {
	if s.rough && s.chance(5) {
		return s.between(50*time.Millisecond, 2*time.Second)
	}
	return s.between(time.Millisecond, 20*time.Millisecond)
}

func (s *sim) after(d time.Duration, do func()) {
	s.serial++
	heap.Push(&s.queue, event{s.now + d, s.serial, do})
}

func (s *sim) run(until time.Duration) {
	for s.queue.Len() > 0 && s.queue[0].at <= until && len(s.found) == 0 {
		e := heap.Pop(&s.queue).(event)
		s.now = e.at
		e.do()
	}
	s.now = until
}

func (s *sim) violation(format string, args ...any) {
	s.found = append(s.found, fmt.Sprintf("at %v: ", s.now)+fmt.Sprintf(format, args...))
}

// every does something again and again, while the simulation lasts.
func (s *sim) every(low, high time.Duration, do func()) {
	s.after(s.between(low, high), func() {
		do()
		s.every(low, high, do)
	})
}

func (s *sim) newClock() clock {
	return clock{origin: s.between(time.Second, 1000*time.Hour), boot: s.now, ppm: s.rng.Int64N(2001) - 1000}
}

// majority reports whether enough machines are awake to commit anything.
func (s *sim) majority() bool {
	awake := 0
	for _, m := range s.machines {
		if m.paused <= s.now {
			awake++
		}
	}
	return awake*2 > len(s.machines)
}

// working reports whether a leader is keeping time.
func (s *sim) working() bool {
	l := s.leader
	return l != nil && l.leads == s.term && l.paused <= s.now && s.majority()
}

// start begins a life of the machine: nothing in memory, a clock of another origin, state from disk.
func (m *machine) start() {
	m.life++
	m.clock = m.s.newClock()
	m.keeper, m.leads = NewKeeper(), 0
	m.state, m.seenAt, m.paused = map[Key]Timed{}, map[Key]lease.Instant{}, 0
	disk := m.applied
	m.applied = 0
	if disk > 0 {
		m.install(m.s.rng.IntN(disk + 1))
	}
	m.applyTo(disk)
}

// install jumps to a snapshot: the state without the entries that led there.
func (m *machine) install(index int) {
	for ; m.applied < index; m.applied++ {
		m.mirror(m.s.log[m.applied])
	}
}

func (m *machine) mirror(a Applied) {
	for _, list := range [][]Timed{a.Granted, a.Allowed} {
		for _, t := range list {
			m.state[t.Key] = t
		}
	}
	for _, key := range a.Ended {
		delete(m.state, key)
	}
}

func (m *machine) applyTo(index int) {
	for ; m.applied < index; m.applied++ {
		a := m.s.log[m.applied]
		a.At = m.now()
		m.mirror(a)
		for _, t := range a.Granted {
			m.seenAt[t.Key] = a.At
		}
		m.keeper.Applied(a)
	}
	m.arm()
}

func (m *machine) now() lease.Instant { return m.clock.at(m.s.now) }

// on does something on the machine after d: when it is awake, and only in its present life.
func (m *machine) on(d time.Duration, do func()) {
	life := m.life
	var try func()
	try = func() {
		switch {
		case m.life != life:
		case m.paused > m.s.now:
			m.s.after(m.paused-m.s.now, try)
		default:
			do()
		}
	}
	m.s.after(d, try)
}

// step runs one step of the keeper and does what it asks for.
func (m *machine) step(f func(at lease.Instant) Effects) {
	if m.s.plant.beforeStep != nil {
		m.s.plant.beforeStep(m)
	}
	e := f(m.now())
	if m.s.plant.afterStep != nil {
		m.s.plant.afterStep(m)
	}
	m.perform(e)
	m.arm()
}

// arm sets the machine's one timer to when the keeper wants to tick.
func (m *machine) arm() {
	m.timer++
	timer := m.timer
	next, ok := m.keeper.Next()
	if !ok {
		return
	}
	m.on(max(0, next.Sub(m.now()))+10*time.Microsecond, func() {
		if timer == m.timer {
			m.step(m.keeper.Tick)
		}
	})
}

package simulate

import (
	"time"

	"github.com/grafnode/grafnode/lease"
)

// clock is a machine's CLOCK_BOOTTIME: another origin, another speed. It goes on while the machine is suspended.
type clock struct {
	origin lease.Instant
	boot   time.Duration
	ppm    int64
}

func (c clock) at(now time.Duration) lease.Instant {
	d := now - c.boot
	return c.origin.Add(d + d*time.Duration(c.ppm)/1e6)
}

// lasts is how much true time passes while the clock shows d.
func (c clock) lasts(d time.Duration) time.Duration { return d - d*time.Duration(c.ppm)/1e6 }

// machine is a host: a clock, and the processes that share it. Promised is a drift of 1/256 between any two; here it is at
// most half of that.
type machine struct {
	w       *World
	id      int
	address string
	clock   clock
}

// boot starts the clock anew.
func (m *machine) boot() {
	const ppmMax = 900
	m.clock = clock{
		origin: lease.Instant(m.w.between(time.Second, 1000*time.Hour)), boot: m.w.now, ppm: m.w.rng.Int64N(2*ppmMax) - ppmMax,
	}
}

func (m *machine) now() lease.Instant { return m.clock.at(m.w.now) }

// wall is the machine's wall clock, which says anything.
func (m *machine) wall() int64 { return m.w.rng.Int64() }

// process is one run after the other of a program.
type process struct {
	w      *World
	m      *machine
	who    uint64
	life   uint32 // counts its starts
	up     bool
	asleep time.Duration // stopped until then
}

func (p *process) awake() bool { return p.up && p.asleep <= p.w.now }

// after does something in the process later, in its present life. A stopped process does it when it goes on, in any order.
func (p *process) after(d time.Duration, what string, arg uint64, do func()) {
	life := p.life
	p.deliver(life, d, what, arg, do)
}

func (p *process) deliver(life uint32, d time.Duration, what string, arg uint64, do func()) {
	p.w.plan(d, func() { p.arrive(life, what, arg, do) })
}

func (p *process) arrive(life uint32, what string, arg uint64, do func()) {
	switch {
	case p.life != life || !p.up:
	case p.asleep > p.w.now:
		p.deliver(life, p.asleep-p.w.now+p.w.between(0, time.Millisecond), what, arg, do)
	default:
		p.w.step(what, p.who, arg)
		do()
	}
}

// stop stops the process for a while, as SIGSTOP does.
func (p *process) stop(d time.Duration) { p.asleep = max(p.asleep, p.w.now+d) }

// network is who can reach whom, and how well.
type network struct {
	cut   [][]bool // from, to
	rough bool     // messages may be slow, lost or repeated
}

func (n *network) init(size int) {
	n.cut = make([][]bool, size)
	for i := range n.cut {
		n.cut[i] = make([]bool, size)
	}
}

func (n *network) open(a, b int) bool { return !n.cut[a][b] }

func (n *network) heal() { n.init(len(n.cut)) }

// delay is how long a message or a disk takes: mostly little.
func (w *World) delay() time.Duration {
	if w.net.rough && w.chance(20) {
		return w.between(20*time.Millisecond, 2*time.Second)
	}
	return w.between(50*time.Microsecond, 5*time.Millisecond)
}

// send carries a message from one machine's process to another's: perhaps not, perhaps twice.
func (w *World) send(from *machine, to *process, what string, arg uint64, do func()) {
	copies := 1
	if from != to.m && w.net.rough && w.chance(10) {
		copies = 2
	}
	for range copies {
		w.sendOnce(from, to, what, arg, do)
	}
}

// sendOnce carries a message that comes at most once, as a request over a connection does.
func (w *World) sendOnce(from *machine, to *process, what string, arg uint64, do func()) {
	life := to.life
	if from != to.m {
		if w.net.cut[from.id][to.m.id] || w.net.rough && w.chance(15) {
			return
		}
	}
	w.plan(w.delay(), func() {
		if from == to.m || !w.net.cut[from.id][to.m.id] {
			to.arrive(life, what, arg, do)
		}
	})
}

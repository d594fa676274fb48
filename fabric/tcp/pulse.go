package tcp

import (
	"crypto/rand"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/tcpconn"
	"github.com/grafnode/grafnode/lease"
)

// Life is a matter between two processes, not of each ring: all links of a stage process with one node share a pulse, so that a
// thousand edges that rest cost no more than a few. Whatever comes over one of them shows life for all; when nothing was said over any
// for half a heartbeat, the pulse says something over one. Once a second, each link is also heard and made to speak by itself, for what may befall
// a single connection.

// linkBeat is how long a link may be silent while others between the same two processes are not, or a heartbeat if that is longer. Three of
// these missing, and it is given up.
const linkBeat = time.Second

// pulseKey says which links share a pulse. It is the same at both ends, or one would wait in vain where the other does not speak.
type pulseKey struct {
	owner   bool // this end has the rings
	name    string
	session lease.SessionID
	beat    time.Duration
	missed  int
}

// silence is how long a peer may say nothing.
func (k pulseKey) silence() time.Duration { return time.Duration(k.missed) * k.beat }

// process names this process in pulses.
var process = rand.Text()

// pulses are those that have links.
var pulses struct {
	sync.Mutex
	by map[pulseKey]*pulse
}

// pulse shows and sees the life between this process and another for all links between them.
type pulse struct {
	key   pulseKey
	half  time.Duration // of a heartbeat: a turn
	round int           // turns in which each link has had its own
	over  chan struct{}

	heard atomic.Bool // set by listener, cleared by turn
	spoke atomic.Bool // set by every write, cleared by turn

	mu    sync.Mutex
	peer  detector
	turns int
	links []*link
	next  int // of links, whose turn comes next
}

// join puts l under the pulse of its peer, until it fails.
func (l *link) join(owner bool) {
	key := l.key
	key.owner = owner
	pulses.Lock()
	defer pulses.Unlock()
	p := pulses.by[key]
	if p == nil || key.name == "" {
		p = &pulse{key: key, half: key.beat / 2, over: make(chan struct{})}
		p.peer = detector{half: p.half, silence: key.silence()}
		p.round = max(1, int(linkBeat/p.half))
		if pulses.by == nil {
			pulses.by = map[pulseKey]*pulse{}
		}
		if key.name != "" {
			pulses.by[key] = p
		}
		go p.run()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard.Store(true) // it has just shown life, by attaching
	l.heardAt = p.turns
	p.links = append(p.links, l)
	l.pulse.Store(p)
	l.silences.met(l.peer)
	if l.err() != nil { // fail may have come before
		p.removeLocked(l)
	}
}

// remove forgets l. The last one ends the pulse.
func (p *pulse) remove(l *link) {
	pulses.Lock()
	defer pulses.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.removeLocked(l)
}

// removeLocked is called with pulses and the pulse locked.
func (p *pulse) removeLocked(l *link) {
	i := slices.Index(p.links, l)
	if i < 0 {
		return
	}
	p.links = slices.Delete(p.links, i, i+1)
	if i < p.next {
		p.next--
	}
	if len(p.links) > 0 {
		return
	}
	close(p.over)
	if pulses.by[p.key] == p {
		delete(pulses.by, p.key)
	}
}

// run has a turn every half heartbeat: it speaks, and then judges. Who has heard nothing first lets everybody run who is ready to: the peer's
// word may wait among them, and how long that takes is how late this process is, of which a timer alone sees little.
func (p *pulse) run() {
	ticker := time.NewTicker(p.half)
	defer ticker.Stop()
	for last := time.Now(); ; {
		select {
		case <-ticker.C:
		case <-p.over:
			return
		}
		p.give(p.speak())
		if !p.heard.Load() {
			runtime.Gosched()
		}
		now := time.Now()
		silent, quiet := p.judge(now.Sub(last))
		if len(silent) > 0 {
			silent[0].silences.givenUp(silent[0].peer, answered(silent, p.key.silence()))
		}
		p.give(silent, quiet)
		last = now
	}
}

// give gives up links that were silent for so long.
func (p *pulse) give(up []*link, quiet time.Duration) {
	for _, l := range up { // not with the pulse locked: they leave
		_ = l.fail(fmt.Errorf("%w: the other end is silent for %v", fabric.ErrDisconnected, quiet.Round(time.Millisecond)))
	}
}

// speak has those links speak whose turn it is. It returns one of them that is silent by itself, if there is one, and for how long.
func (p *pulse) speak() (silent []*link, quiet time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turns++
	spoke := p.spoke.Swap(false)
	for range (len(p.links) + p.round - 1) / p.round {
		p.next %= len(p.links)
		l := p.links[p.next]
		p.next++
		if quiet, is := p.silent(l); is {
			return []*link{l}, quiet
		}
		if l.spoke.Swap(false) && spoke {
			l.allow()
			continue
		}
		spoke = true
		l.tasks.Go(l.beatNow) // it may block, and the others are not to wait
	}
	return nil, 0
}

// silent reports whether nothing came over l for too many turns.
func (p *pulse) silent(l *link) (quiet time.Duration, is bool) {
	if l.heard.Swap(false) {
		l.heardAt = p.turns
	}
	turns, limit := p.turns-l.heardAt, max(2, p.round)*p.key.missed
	if turns < limit {
		return 0, false
	}
	quiet = time.Duration(turns) * p.half
	if ago, ok := tcpconn.Heard(l.raw()); ok && ago < quiet {
		l.heardAt = p.turns - int(ago/p.half)
		return 0, false
	}
	return quiet, true
}

// judge ends a turn that took so long. It returns all links if their peer is silent, and for how long. What the kernel has heard counts,
// though this process has not come to it.
func (p *pulse) judge(took time.Duration) (silent []*link, quiet time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.peer.turn(p.heard.Swap(false), took) {
		return nil, 0
	}
	for _, l := range p.links {
		if ago, ok := tcpconn.Heard(l.raw()); ok && !p.peer.spoke(ago) {
			return nil, 0
		}
	}
	return slices.Clone(p.links), p.peer.quiet
}

// pulseName is what both ends call the pulse of the links from this process to a node's address.
func pulseName(address string) string { return process + " " + address }

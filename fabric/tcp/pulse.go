package tcp

import (
	"crypto/rand"
	"fmt"
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
	turns int // that this process was awake for
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
		p = &pulse{key: key, half: key.beat / 2, over: make(chan struct{}), peer: detector{limit: 2 * key.missed}}
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

// run has a turn every half heartbeat.
func (p *pulse) run() {
	ticker := time.NewTicker(p.half)
	defer ticker.Stop()
	for last := time.Now(); ; {
		select {
		case <-ticker.C:
		case <-p.over:
			return
		}
		now := time.Now()
		starved := now.Sub(last) > p.half+p.key.beat
		last = now
		for l, why := range p.turn(starved) {
			_ = l.fail(why) // not with the pulse locked: it leaves
		}
	}
}

// turn has those links speak whose turn it is, and returns those that are silent.
func (p *pulse) turn(starved bool) map[*link]error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !starved {
		p.turns++
	}
	if p.peer.turn(p.heard.Swap(false), starved) && !p.spare(p.links...) {
		return p.silent(p.links, p.key.silence())
	}
	spoke := p.spoke.Swap(false)
	for range (len(p.links) + p.round - 1) / p.round {
		p.next %= len(p.links)
		l := p.links[p.next]
		p.next++
		if l.heard.Swap(false) {
			l.heardAt = p.turns
		} else if limit := max(2, p.round) * p.key.missed; p.turns-l.heardAt >= limit && !p.spare(l) {
			return p.silent([]*link{l}, time.Duration(limit)*p.half)
		}
		if l.spoke.Swap(false) && spoke {
			l.allow()
			continue
		}
		spoke = true
		l.tasks.Go(l.beatNow) // it may block, and the others are not to wait
	}
	return nil
}

// spare reports whether something of the links' peer lies unread, and gives it its time again if so: then it is this process that is slow.
func (p *pulse) spare(links ...*link) bool {
	for _, l := range links {
		if tcpconn.Unread(l.raw()) {
			p.peer.again()
			l.heardAt = p.turns
			return true
		}
	}
	return false
}

func (p *pulse) silent(links []*link, d time.Duration) map[*link]error {
	all := map[*link]error{}
	for _, l := range links {
		all[l] = fmt.Errorf("%w: the other end is silent for %v", fabric.ErrDisconnected, d)
	}
	return all
}

// pulseName is what both ends call the pulse of the links from this process to a node's address.
func pulseName(address string) string { return process + " " + address }

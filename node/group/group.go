package group

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry"
)

const (
	// probationTerm is how long a new member must keep up before it gets a vote.
	probationTerm = 3 * time.Second
	// lagMax is how many entries a member may be behind and count as caught up.
	lagMax = 64
	// contactMax is how long a member may not have answered and count as being there.
	contactMax = 2 * time.Second
)

// View is what a leader knows when it decides.
type View struct {
	Cluster string
	Level   uint64 // of the state
	Group   []registry.Member
	Gossip  []membership.Member // without nodes of other clusters
}

// Step is the next change of the group; the zero Step is none. Exactly one of Promote, TakeIn.ID and Level is set.
type Step struct {
	Promote locator.NodeID // gets a vote
	TakeIn  registry.Peer  // gets the log, or its address is corrected
	Gone    locator.NodeID // with TakeIn: leaves first
	Level   uint64         // the state is raised to it
}

// Refusals say, to people, of nodes why they are not taken in, and of members why the level stays as it is.
type Refusals struct{ Join, Level []string }

// Next returns what there is to do, if this node knows the state up to the level known. Time is anything that grows while this
// node leads.
func (p *Rules) Next(v View, known uint64, now time.Time) (next Step, why Refusals) {
	if id := p.passed(v, now); id != "" {
		return Step{Promote: id}, why
	}
	next.TakeIn, next.Gone, why.Join = v.join()
	if next.TakeIn.ID != "" {
		return next, why
	}
	level, behind := v.upgrade(known)
	if v.Level < known {
		why.Level = behind
	}
	if level > v.Level {
		next.Level = level
	}
	return next, why
}

// join returns a node to take in, or whose address is to be corrected: one that gossip says is alive, of this cluster or of
// none, and not in the group under that address. One at a time, in the order of their IDs, so that every leader does the
// same. gone is the predecessor that must leave first. refused says of nodes why they are not taken in.
func (v View) join() (next registry.Peer, gone locator.NodeID, refused []string) {
	slices.SortFunc(v.Gossip, func(a, b membership.Member) int { return strings.Compare(string(a.ID), string(b.ID)) })
	for _, m := range v.Gossip {
		s, in := v.member(m.ID)
		switch {
		case m.Health != membership.Alive || m.Address == "":
		case m.Cluster != v.Cluster && m.Cluster != "":
		case !in && m.HasState && m.Cluster == "": // its state is of an unknown origin; it will know in a moment, or never
		case in && s.Address == m.Address:
		case m.Level < v.Level:
			refused = append(refused, fmt.Sprintf("node %s (%s) knows level %d of the registry's state, which is at %d: install a newer grafnode there",
				m.ID, m.Address, m.Level, v.Level))
		default:
			gone, why := v.predecessor(m)
			if why == "" {
				return registry.Peer{ID: m.ID, Address: m.Address}, gone, refused
			}
			refused = append(refused, why)
		}
	}
	return registry.Peer{}, "", refused
}

func (v View) member(id locator.NodeID) (registry.Member, bool) {
	at := slices.IndexFunc(v.Group, func(m registry.Member) bool { return m.ID == id })
	if at < 0 {
		return registry.Member{}, false
	}
	return v.Group[at], true
}

// predecessor returns the server that the group knows at m's address, if that is another, or why it cannot be replaced now. One
// that still lives has moved, and is corrected first, or two nodes claim one address, and nothing here can tell which is right. A
// voter leaves only if those that are left can go on without it, and only one at a time: as long as its successor does not
// vote, entries are on fewer disks than they were.
func (v View) predecessor(m membership.Member) (gone locator.NodeID, why string) {
	for _, s := range v.Group {
		if s.ID == m.ID || s.Address != m.Address {
			continue
		}
		switch health, known := v.health(s.ID); {
		case known && (health == membership.Alive || health == membership.Suspect),
			s.LastContact >= 0 && s.LastContact < contactMax:
			return "", fmt.Sprintf("node %s claims the address %s of node %s, which lives", m.ID, m.Address, s.ID)
		case !s.Voter:
			return s.ID, ""
		}
		if why := v.spares(s.ID); why != "" {
			return "", fmt.Sprintf("node %s waits to replace node %s at %s: %s", m.ID, s.ID, m.Address, why)
		}
		return s.ID, ""
	}
	return "", ""
}

// spares returns why a voter that is away cannot be taken out now; empty if it can.
func (v View) spares(id locator.NodeID) string {
	voters, here := 0, 0
	for _, s := range v.Group {
		health, known := v.health(s.ID)
		switch {
		case s.ID == id:
		case !s.Voter && known && health != membership.Dead && health != membership.Left:
			return fmt.Sprintf("node %s does not vote yet", s.ID)
		case s.Voter:
			voters++
			if s.LastContact >= 0 && s.LastContact < contactMax {
				here++
			}
		}
	}
	if here < voters/2+1 {
		return fmt.Sprintf("of the other %d voters only %d answer", voters, here)
	}
	return ""
}

func (v View) health(id locator.NodeID) (membership.Health, bool) {
	for _, m := range v.Gossip {
		if m.ID == id {
			return m.Health, true
		}
	}
	return "", false
}

// upgrade returns the level that the state may be raised to: the highest that every voter, and every other member that is here, says it knows. behind names
// those who hold it back.
func (v View) upgrade(known uint64) (level uint64, behind []string) {
	level = known
	for _, s := range v.Group {
		at := slices.IndexFunc(v.Gossip, func(m membership.Member) bool { return m.ID == s.ID })
		away := at < 0 || v.Gossip[at].Health == membership.Dead || v.Gossip[at].Health == membership.Left
		switch {
		case away && !s.Voter: // it will have to know the level when it is back
		case away:
			level = 0
			behind = append(behind, fmt.Sprintf("node %s is away", s.ID))
		case v.Gossip[at].Level < known:
			level = min(level, v.Gossip[at].Level)
			behind = append(behind, fmt.Sprintf("node %s knows level %d", s.ID, v.Gossip[at].Level))
		}
	}
	return level, behind
}

// Rules decide, and remember of one term what they need: for how long members without a vote have kept up. The zero Rules know nothing.
// They are not safe for concurrent use.
type Rules struct {
	since  map[locator.NodeID]time.Time // when a member was first seen to keep up, without a break since
	recent sample
	before sample
}

// sample is how long the leader's log was.
type sample struct {
	at   time.Time
	last uint64
}

// passed returns a member that has kept up for long enough to vote; empty if there is none. To keep up is to be a few entries
// behind, or, where entries come fast, no further than the leader itself was a second ago.
func (p *Rules) passed(v View, now time.Time) locator.NodeID {
	var last uint64
	for _, m := range v.Group {
		if m.Leader {
			last = m.Matched
		}
	}
	if now.Sub(p.recent.at) >= time.Second {
		p.before, p.recent = p.recent, sample{now, last}
		if now.Sub(p.before.at) > contactMax+time.Second {
			p.before = p.recent // too long ago to say anything
		}
	}
	since := map[locator.NodeID]time.Time{}
	var passed locator.NodeID
	for _, m := range v.Group {
		health, _ := v.health(m.ID)
		keepsUp := m.Matched > 0 && (m.Matched+lagMax >= last || m.Matched >= p.before.last)
		if m.Voter || health != membership.Alive || m.LastContact < 0 || m.LastContact > contactMax || !keepsUp {
			continue
		}
		since[m.ID] = now
		if began, ok := p.since[m.ID]; ok {
			since[m.ID] = began
		}
		if passed == "" && now.Sub(since[m.ID]) >= probationTerm {
			passed = m.ID
		}
	}
	p.since = since
	return passed
}

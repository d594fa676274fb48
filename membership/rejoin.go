package membership

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	// aloneShare: a node that has found nobody yet looks that much more often.
	aloneShare = 10
	// aloneRounds is after how many rounds alone a node says so: the first of several that start together is alone for a while.
	aloneRounds = 5
	// announceEvery bounds how often this node says something new of itself: free memory changes with every lease.
	announceEvery = time.Second
	// rememberShare is how often the peers file is written while those in it are not forgotten.
	rememberShare = 8
	// announceWait is how long to wait for an announcement to be on its way. Gossip carries it on by itself.
	announceWait = 10 * time.Millisecond
)

// rejoinLoop looks for all that are missing, for ever. memberlist does not: it probes, gossips and exchanges state with those
// alone that it takes for alive, and forgets the dead; two halves of a healed partition would stay two clusters.
func (g *Gossip) rejoinLoop() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for rounds := 0; ; {
		select {
		case <-g.looping.Done():
			return
		case <-timer.C:
		}
		every := g.cfg.Timing.RejoinEvery
		if alone, err := g.rejoin(); !alone {
			rounds = 0
		} else {
			every /= aloneShare
			if rounds++; rounds == aloneRounds {
				g.cfg.Logger.Warn("no other node is found: are these the gossip addresses of nodes that are up?", "gossip", g.seeds(), "error", err)
			}
		}
		timer.Reset(every/2 + rand.N(every)) // spread, so that a thousand nodes do not ask one seed at once
	}
}

// rejoin asks each missing node once. It reports whether this one is still alone, and the last failure.
func (g *Gossip) rejoin() (alone bool, failure error) {
	list := g.opened()
	addresses, _ := g.cache.missing(g.seeds(), g.cfg.Timing.Forget)
	rand.Shuffle(len(addresses), func(i, j int) { addresses[i], addresses[j] = addresses[j], addresses[i] })
	for _, address := range addresses {
		if g.looping.Err() != nil {
			return false, nil
		}
		if _, err := list.Join([]string{address}); err != nil {
			g.cfg.Logger.Debug("not found", "gossip", address, "error", err)
			failure = err
		}
	}
	_, alone = g.cache.missing(nil, g.cfg.Timing.Forget)
	return alone && len(addresses) > 0, failure
}

// seeds returns the addresses that others were said to have.
func (g *Gossip) seeds() []string {
	if g.cfg.Seeds == nil {
		return g.cfg.Join
	}
	more, err := g.cfg.Seeds()
	said := ""
	if err != nil {
		said = err.Error()
	}
	if said != g.seedsWrong && err != nil { // once for each thing that is wrong
		g.cfg.Logger.Warn("some addresses of other nodes cannot be used", "error", err)
	}
	g.seedsWrong = said
	return slices.Concat(g.cfg.Join, more)
}

// opened returns memberlist; loops run only after Open has set it.
func (g *Gossip) opened() *memberlist.Memberlist {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.list
}

// announceLoop tells the others what Update has changed.
func (g *Gossip) announceLoop() {
	for {
		select {
		case <-g.looping.Done():
			return
		case <-g.announce:
		}
		// Not beside itself or in Leave, which waits for the loops: it reads memberlist's node without its lock. It fails
		// only if the news are not on their way within the wait.
		_ = g.opened().UpdateNode(announceWait)
		select {
		case <-g.looping.Done():
			return
		case <-time.After(announceEvery):
		}
	}
}

// rememberLoop keeps the peers file up to date. It is written by changes, once at the end, and in between before the times in it are too old: whoever
// reads them forgets those that were not seen for Timing.Forget, and a node that is killed writes no more.
func (g *Gossip) rememberLoop() {
	var written []peerAddress
	save := func(now []peerAddress) {
		if len(now) == 0 {
			return
		}
		if err := savePeers(g.cfg.PeersFile, now); err != nil {
			g.cfg.Logger.Warn("peers are not remembered", "error", err)
			return
		}
		written = now
	}
	aging := time.NewTicker(g.cfg.Timing.Forget / rememberShare)
	defer aging.Stop()
	for {
		select {
		case <-g.looping.Done():
			save(g.cache.remembered())
			return
		case <-aging.C:
			save(g.cache.remembered())
		case <-g.cache.dirty:
			if now := g.cache.remembered(); !sameAddresses(now, written) {
				save(now)
			}
		}
	}
}

// sameAddresses ignores the times, which change always.
func sameAddresses(a, b []peerAddress) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].ID != b[i].ID || a[i].Address != b[i].Address {
			return false
		}
	}
	return true
}

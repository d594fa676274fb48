package node

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry"
)

// founders is some hosts on which nodes try to found a cluster: gossip shows them what it likes, requests come late, twice or
// never, founders die at any point, and hosts are wiped.
type founders struct {
	t      *testing.T
	rng    *rand.Rand
	dir    string
	expect int
	hosts  []*founding
	asked  []asked // under way
	groups []assembly
}

// founding is the node on a host.
type founding struct {
	*promises
	state bool      // it has founded, or its group's leader has reached it
	want  *assembly // what it gathers promises for; nil: nothing, or it was started anew since
	given map[locator.NodeID]bool
}

// asked is a promise that somebody was asked for.
type asked struct {
	whom, founder locator.NodeID
	nodes         []locator.NodeID
}

func (f *founders) fresh(host, life int) *founding {
	n := &founding{}
	n.promises = newPromises(f.dir, fmt.Sprintf("%c%d", 'a'+host, life), f.expect)
	n.taken = func() (bool, error) { return n.state, nil }
	return n
}

func (f *founders) byID(id locator.NodeID) *founding {
	for _, h := range f.hosts {
		if h.self == id {
			return h
		}
	}
	return nil // wiped since
}

// see has a node look at gossip, and ask for promises if it is to found.
func (f *founders) see(n *founding) {
	var seen []membership.Member
	for _, h := range f.hosts {
		if h == n || f.rng.IntN(6) > 0 {
			seen = append(seen, membership.Member{
				ID: h.self, Address: string(h.self) + ":1", Health: membership.Alive, Expect: f.expect,
				HasState: h.state && f.rng.IntN(2) == 0, // gossip is late
			})
		}
	}
	a, err := assemble(n.self, f.expect, seen)
	if n.state || err != nil || a.founder != n.self || n.promise(n.self, a) != nil {
		return
	}
	n.want, n.given = &a, map[locator.NodeID]bool{n.self: true}
	for _, p := range a.peers {
		f.asked = append(f.asked, asked{p.ID, n.self, peerIDs(a)})
	}
}

func peerIDs(a assembly) (ids []locator.NodeID) {
	for _, p := range a.peers {
		ids = append(ids, p.ID)
	}
	return ids
}

func (n *founding) promise(founder locator.NodeID, a assembly) error {
	return n.Promise(api.FoundRequest{Founder: founder, Nodes: peerIDs(a)})
}

// answer delivers a request, and its answer if the founder still waits for it.
func (f *founders) answer(at int, lost bool) {
	r := f.asked[at]
	whom, founder := f.byID(r.whom), f.byID(r.founder)
	if whom == nil || whom.Promise(api.FoundRequest{Founder: r.founder, Nodes: r.nodes}) != nil || lost {
		return
	}
	if founder != nil && founder.want != nil && slices.Equal(peerIDs(*founder.want), r.nodes) {
		founder.given[r.whom] = true
	}
}

// found has a node found what it has all promises for, as registry.Bootstrap does: on itself alone.
func (f *founders) found(n *founding) {
	if n.want == nil || len(n.given) < len(n.want.peers) || n.state {
		return
	}
	n.state = true
	f.groups = append(f.groups, *n.want)
}

func (f *founders) step() {
	n := f.hosts[f.rng.IntN(len(f.hosts))]
	switch steps := []string{"see", "answer", "answer", "answer", "found", "found", "restart", "join"}; steps[f.rng.IntN(len(steps))] {
	case "see":
		f.see(n)
	case "answer":
		if len(f.asked) > 0 {
			at := f.rng.IntN(len(f.asked))
			f.answer(at, f.rng.IntN(5) == 0)
			if f.rng.IntN(3) > 0 {
				f.asked = slices.Delete(f.asked, at, at+1)
			}
		}
	case "found":
		f.found(n)
	case "restart":
		n.want = nil // promises are on its disk
	case "join": // the leader of its group reaches it
		for _, g := range f.groups {
			n.state = n.state || slices.Contains(peerIDs(g), n.self)
		}
	}
}

// alive counts the members of a group that have not been wiped since.
func (f *founders) alive(g assembly) (n int) {
	for _, p := range g.peers {
		if f.byID(p.ID) != nil {
			n++
		}
	}
	return n
}

// check holds whatever happens: no node is in two groups, and with one founding of more than half the hosts, no two groups have a
// majority.
func (f *founders) check(seed uint64) {
	in := map[locator.NodeID]int{}
	majorities := 0
	for _, g := range f.groups {
		for _, p := range g.peers {
			in[p.ID]++
			require.LessOrEqual(f.t, in[p.ID], 1, "seed %d: node %s is in two groups: %v", seed, p.ID, f.groups)
		}
		if f.alive(g) > f.expect/2 {
			majorities++
		}
	}
	require.LessOrEqual(f.t, majorities, 1, "seed %d: %v", seed, f.groups)
}

func TestNoTwoClustersComeOfOneSetOfNodes(t *testing.T) {
	parent := t.TempDir()
	lives := 120
	if os.Getenv("GRAFNODE_CI") != "" {
		lives = 250
	}
	for name, tc := range map[string]struct {
		hosts, expect int
		wipes         bool
	}{
		"three of three":           {3, 3, false},
		"three of five":            {5, 3, false},
		"three of three and wipes": {3, 3, true},
		"five of five and wipes":   {5, 5, true},
	} {
		t.Run(name, func(t *testing.T) {
			founded := 0
			for seed := range uint64(lives) {
				f := &founders{t: t, rng: rand.New(rand.NewPCG(seed, 1)), dir: filepath.Join(parent, fmt.Sprint(name, seed)), expect: tc.expect}
				require.NoError(t, os.Mkdir(f.dir, 0o700))
				for i := range tc.hosts {
					f.hosts = append(f.hosts, f.fresh(i, 0))
				}
				for life := range 120 {
					if host := f.rng.IntN(tc.hosts); tc.wipes && f.rng.IntN(30) == 0 {
						f.hosts[host] = f.fresh(host, life+1)
					} else {
						f.step()
					}
					f.check(seed)
				}
				founded += len(f.groups)
			}
			require.Greater(t, founded, lives/13, "it hardly ever came to anything")
			t.Logf("%d groups were founded", founded)
		})
	}
}

// A founder that dies has promised itself, and the others it: it goes on when it is back, and nobody founds without it.
func TestAFounderThatDies(t *testing.T) {
	dir := t.TempDir()
	nodes := []locator.NodeID{"a", "b", "c"}
	a := assembly{founder: "a"}
	for _, id := range nodes {
		a.peers = append(a.peers, registry.Peer{ID: id, Address: string(id) + ":1"})
	}
	for _, id := range nodes[:2] { // it dies before it has asked c
		require.NoError(t, newPromises(dir, string(id), 3).Promise(api.FoundRequest{Founder: "a", Nodes: nodes}))
	}
	others := []locator.NodeID{"b", "c", "d"}
	require.ErrorIs(t, newPromises(dir, "b", 3).Promise(api.FoundRequest{Founder: "b", Nodes: others}), api.ErrConflict)
	for _, id := range nodes {
		require.NoError(t, newPromises(dir, string(id), 3).Promise(api.FoundRequest{Founder: "a", Nodes: nodes}), "a is back")
	}
}

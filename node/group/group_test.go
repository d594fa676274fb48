package group

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry"
)

// voter is a member of the group that answers the leader, who is "a".
func voter(id string) registry.Member {
	return registry.Member{
		Server: registry.Server{Peer: registry.Peer{ID: locator.NodeID(id), Address: id + ":1"}, Voter: true},
		Leader: id == "a", Matched: 1000,
	}
}

func silent(m registry.Member) registry.Member {
	m.LastContact = -1
	return m
}

func joiner(m registry.Member) registry.Member {
	m.Voter = false
	return m
}

// here is a member as gossip shows it.
func here(id string) membership.Member {
	return membership.Member{ID: locator.NodeID(id), Address: id + ":1", Health: membership.Alive, Cluster: "c1", HasState: true, Level: 2}
}

func TestWhoIsTakenIn(t *testing.T) {
	fresh := membership.Member{ID: "b", Address: "b:1", Health: membership.Alive, Level: 2}
	for name, tc := range map[string]struct {
		member  membership.Member
		want    bool
		refused string
	}{
		"new":                     {fresh, true, ""},
		"new, told its cluster":   {with(fresh, func(m *membership.Member) { m.Cluster = "c1" }), true, ""},
		"with state of this one":  {with(fresh, func(m *membership.Member) { m.Cluster, m.HasState = "c1", true }), true, ""},
		"knows more":              {with(fresh, func(m *membership.Member) { m.Level = 3 }), true, ""},
		"knows too little":        {with(fresh, func(m *membership.Member) { m.Level = 1 }), false, "install a newer"},
		"dead":                    {with(fresh, func(m *membership.Member) { m.Health = membership.Dead }), false, ""},
		"suspect":                 {with(fresh, func(m *membership.Member) { m.Health = membership.Suspect }), false, ""},
		"of another cluster":      {with(fresh, func(m *membership.Member) { m.Cluster = "c2" }), false, ""},
		"state of unknown origin": {with(fresh, func(m *membership.Member) { m.HasState = true }), false, ""},
	} {
		v := View{Cluster: "c1", Level: 2, Group: []registry.Member{voter("a")}, Gossip: []membership.Member{tc.member, here("a")}}
		peer, _, refused := v.join()
		require.Equal(t, tc.want, peer.ID != "", name)
		if tc.want {
			require.Equal(t, registry.Peer{ID: "b", Address: "b:1"}, peer, name)
		}
		require.Equal(t, tc.refused != "", len(refused) > 0, name)
		if tc.refused != "" {
			require.Contains(t, refused[0], tc.refused, name)
		}
	}
}

func TestAddressesAreFollowedOneAtATime(t *testing.T) {
	v := View{Cluster: "c1", Group: []registry.Member{voter("a"), voter("b")}}
	moved, d := here("b"), here("d")
	moved.Address = "b:2"
	v.Gossip = []membership.Member{d, moved, here("a")}
	peer, gone, _ := v.join()
	require.Equal(t, registry.Peer{ID: "b", Address: "b:2"}, peer)
	require.Empty(t, gone)
	v.Group[1].Address = "b:2"
	peer, _, _ = v.join()
	require.Equal(t, locator.NodeID("d"), peer.ID)
	v.Group = append(v.Group, joiner(voter("d")))
	peer, _, _ = v.join()
	require.Empty(t, peer, "a member without a vote is in")
}

// A wiped node is another one at the same address, where Raft takes only one: its predecessor leaves first, if it is gone, if the
// others can go on without it, and one at a time.
func TestAWipedNodeReplacesItsPredecessor(t *testing.T) {
	wiped := membership.Member{ID: "x", Address: "b:1", Health: membership.Alive, Level: 2}
	health := func(id string, h membership.Health) membership.Member {
		return with(here(id), func(m *membership.Member) { m.Health = h })
	}
	a, b, c := voter("a"), silent(voter("b")), voter("c")
	for name, tc := range map[string]struct {
		group  []registry.Member
		gossip []membership.Member
		why    string
	}{
		"never heard of":        {[]registry.Member{a, b, c}, nil, ""},
		"dead":                  {[]registry.Member{a, b, c}, []membership.Member{health("b", membership.Dead)}, ""},
		"left":                  {[]registry.Member{a, b, c}, []membership.Member{health("b", membership.Left)}, ""},
		"alive":                 {[]registry.Member{a, b, c}, []membership.Member{here("b")}, "lives"},
		"suspect":               {[]registry.Member{a, b, c}, []membership.Member{health("b", membership.Suspect)}, "lives"},
		"answers":               {[]registry.Member{a, voter("b"), c}, nil, "lives"},
		"the only other":        {[]registry.Member{a, b}, nil, ""},
		"another is away":       {[]registry.Member{a, b, silent(c)}, nil, "of the other 2 voters only 1"},
		"two of five are away":  {[]registry.Member{a, b, silent(c), voter("d"), voter("e")}, nil, ""},
		"one waits for a vote":  {[]registry.Member{a, b, c, joiner(voter("d"))}, []membership.Member{here("d")}, "does not vote yet"},
		"one waits and is dead": {[]registry.Member{a, b, c, joiner(voter("d"))}, []membership.Member{health("d", membership.Dead)}, ""},
		"had no vote itself":    {[]registry.Member{a, joiner(b), silent(c)}, nil, ""},
	} {
		v := View{Cluster: "c1", Level: 2, Group: tc.group, Gossip: append(tc.gossip, here("a"), wiped)}
		peer, gone, refused := v.join()
		if tc.why != "" {
			require.Empty(t, peer, name)
			require.Len(t, refused, 1, name)
			require.Contains(t, refused[0], tc.why, name)
			continue
		}
		require.Equal(t, registry.Peer{ID: "x", Address: "b:1"}, peer, name)
		require.Equal(t, locator.NodeID("b"), gone, name)
	}
}

func TestTheLevelRisesWhenAllKnowIt(t *testing.T) {
	v := View{Group: []registry.Member{voter("a"), voter("b"), joiner(voter("c"))}}
	knows := func(id string, level uint64, h membership.Health) membership.Member {
		return with(here(id), func(m *membership.Member) { m.Level, m.Health = level, h })
	}
	for name, tc := range map[string]struct {
		gossip []membership.Member
		level  uint64
		behind int
	}{
		"all":                      {[]membership.Member{knows("a", 3, "alive"), knows("b", 3, "alive"), knows("c", 4, "alive")}, 3, 0},
		"a voter knows less":       {[]membership.Member{knows("a", 3, "alive"), knows("b", 2, "alive"), knows("c", 3, "alive")}, 2, 1},
		"a member knows less":      {[]membership.Member{knows("a", 3, "alive"), knows("b", 3, "alive"), knows("c", 1, "alive")}, 1, 1},
		"a voter is away":          {[]membership.Member{knows("a", 3, "alive"), knows("b", 3, "dead"), knows("c", 3, "alive")}, 0, 1},
		"a voter is unknown":       {[]membership.Member{knows("a", 3, "alive"), knows("c", 2, "alive")}, 0, 2},
		"a member is away":         {[]membership.Member{knows("a", 3, "alive"), knows("b", 3, "alive"), knows("c", 3, "dead")}, 3, 0},
		"somebody outside is old":  {[]membership.Member{knows("a", 3, "alive"), knows("b", 3, "alive"), knows("c", 3, "alive"), knows("d", 1, "alive")}, 3, 0},
		"a suspect is still heard": {[]membership.Member{knows("a", 3, "alive"), knows("b", 3, "suspect"), knows("c", 3, "alive")}, 3, 0},
	} {
		v.Gossip = tc.gossip
		level, behind := v.upgrade(3)
		require.Equal(t, tc.level, level, name)
		require.Len(t, behind, tc.behind, name)
	}
}

func TestAMemberVotesWhenItHasKeptUp(t *testing.T) {
	began := time.Unix(1000, 0)
	v := View{Group: []registry.Member{voter("a"), joiner(voter("b"))}, Gossip: []membership.Member{here("a"), here("b")}}
	leader, b := &v.Group[0], &v.Group[1]
	at := func(p *Rules, seconds float64, last, matched uint64) locator.NodeID {
		leader.Matched, b.Matched = last, matched
		return p.passed(v, began.Add(time.Duration(seconds*float64(time.Second))))
	}
	var p Rules
	for s := range 3 {
		require.Empty(t, at(&p, float64(s), 1000, 936))
	}
	require.Equal(t, locator.NodeID("b"), at(&p, 3, 1000, 936))

	p = Rules{} // a busy leader: what it had a second ago is there
	for s := range 3 {
		require.Empty(t, at(&p, float64(s), uint64(1000+500*s), uint64(max(1000, 500+500*s))))
	}
	require.Equal(t, locator.NodeID("b"), at(&p, 3, 2500, 2000))

	for name, breaks := range map[string]func(){
		"behind":        func() { b.Matched = 100 },
		"knows nothing": func() { b.Matched = 0 },
		"silent":        func() { b.LastContact = contactMax + 1 },
		"not heard of":  func() { b.LastContact = -1 },
		"suspect":       func() { v.Gossip[1].Health = membership.Suspect },
	} {
		p = Rules{}
		require.Empty(t, at(&p, 0, 1000, 1000), name)
		require.Empty(t, at(&p, 2, 1000, 1000), name)
		breaks()
		require.Empty(t, p.passed(v, began.Add(5*time.Second/2)), name)
		b.LastContact, v.Gossip[1] = 0, here("b")
		require.Empty(t, at(&p, 4, 1000, 1000), "%s: its time begins anew", name)
		require.Equal(t, locator.NodeID("b"), at(&p, 7, 1000, 1000), name)
	}
}

func with(m membership.Member, change func(*membership.Member)) membership.Member {
	change(&m)
	return m
}

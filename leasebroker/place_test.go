package leasebroker_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/locator"
)

func node(id, zone string, leased uint64) leasebroker.Candidate {
	return leasebroker.Candidate{ID: locator.NodeID(id), Zone: zone, Health: "alive", Memory: 100, Leased: leased}
}

func sick(c leasebroker.Candidate, health string) leasebroker.Candidate {
	c.Health = health
	return c
}

func TestPlace(t *testing.T) {
	at := func(node, zone string) leasebroker.Side {
		return leasebroker.Side{Node: locator.NodeID(node), Zone: zone}
	}
	a, b, c := node("a", "x", 0), node("b", "x", 0), node("c", "y", 0)
	type (
		request    = leasebroker.Request
		candidates = []leasebroker.Candidate
	)
	for name, test := range map[string]struct {
		request    request
		candidates candidates
		want       locator.NodeID
	}{
		"lowest ID of equals":        {request{Bytes: 1}, candidates{b, a, c}, "a"},
		"least loaded":               {request{Bytes: 1}, candidates{node("a", "x", 3), node("b", "x", 2), node("c", "y", 4)}, "b"},
		"full one skipped":           {request{Bytes: 10}, candidates{node("a", "x", 91), node("b", "x", 90)}, "b"},
		"required zone":              {request{Bytes: 1, Zone: "y"}, candidates{a, b, c}, "c"},
		"required spread":            {request{Bytes: 1, ApartFrom: []string{"x"}}, candidates{a, b, c}, "c"},
		"on the producer's node":     {request{Bytes: 1, Producer: at("c", "y"), Consumer: at("", "x")}, candidates{a, b, c}, "c"},
		"one node beats two zones":   {request{Bytes: 1, Producer: at("b", "x"), Consumer: at("z", "x")}, candidates{a, node("b", "x", 99)}, "b"},
		"zone beats elsewhere":       {request{Bytes: 1, Producer: at("z", "y")}, candidates{a, b, node("c", "y", 50)}, "c"},
		"closeness beats load":       {request{Bytes: 1, Consumer: at("c", "y")}, candidates{a, node("c", "y", 99)}, "c"},
		"avoided if possible":        {request{Bytes: 1, Avoid: []locator.NodeID{"a"}, Producer: at("a", "x")}, candidates{a, c}, "c"},
		"avoided as a last resort":   {request{Bytes: 1, Avoid: []locator.NodeID{"a"}}, candidates{a, node("c", "y", 100)}, "a"},
		"avoided in their order":     {request{Bytes: 1, Avoid: []locator.NodeID{"b", "a", "c", "a"}, Producer: at("a", "x")}, candidates{a, b, c}, "b"},
		"avoided, named last":        {request{Bytes: 1, Avoid: []locator.NodeID{"a", "c", "a"}, Producer: at("a", "x")}, candidates{a, c}, "c"},
		"never, not even last":       {request{Bytes: 1, Never: []locator.NodeID{"a"}, Avoid: []locator.NodeID{"c"}}, candidates{a, c}, "c"},
		"other zone if possible":     {request{Bytes: 1, OtherZone: "x", Producer: at("a", "x")}, candidates{a, b, c}, "c"},
		"other zone, closest":        {request{Bytes: 1, OtherZone: "x", Consumer: at("d", "z")}, candidates{a, c, node("d", "z", 99)}, "d"},
		"same zone as a last resort": {request{Bytes: 1, OtherZone: "x", Producer: at("b", "x")}, candidates{a, b}, "b"},
		"no zones at all":            {request{Bytes: 1, OtherZone: "", Producer: at("b", "")}, candidates{node("a", "", 0), node("b", "", 0)}, "b"},
		"health before other zone":   {request{Bytes: 1, OtherZone: "x"}, candidates{a, sick(c, "suspect")}, "a"},
		"dead never":                 {request{Bytes: 1, Producer: at("a", "x")}, candidates{sick(a, "dead"), sick(b, "left"), c}, "c"},
		"suspect after alive":        {request{Bytes: 1, Producer: at("a", "x")}, candidates{sick(a, "suspect"), c}, "c"},
		"suspect before avoided":     {request{Bytes: 1, Avoid: []locator.NodeID{"c"}}, candidates{sick(a, "suspect"), c}, "a"},
		"not yet heard of by gossip": {request{Bytes: 1}, candidates{sick(a, "unknown"), sick(b, "dead")}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := leasebroker.Place(test.request, test.candidates)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func TestNoRoomSaysWhy(t *testing.T) {
	_, err := leasebroker.Place(leasebroker.Request{Bytes: 50, ApartFrom: []string{"x"}}, []leasebroker.Candidate{
		node("c", "y", 60), sick(node("b", "y", 0), "left"), node("a", "x", 0), {ID: "d", Health: "alive", Memory: 1, Leased: 9},
	})
	require.ErrorIs(t, err, api.ErrNoRoom)
	require.EqualError(t, err, `leasebroker: 50 bytes: no healthy node has room (a is in zone "x", required is another; `+
		`b is left; c has 40 of 100 bytes free; d has 0 of 1 bytes free)`)

	_, err = leasebroker.Place(leasebroker.Request{Bytes: 1, Zone: "z"}, []leasebroker.Candidate{node("a", "x", 0)})
	require.ErrorContains(t, err, `required is "z"`)
	_, err = leasebroker.Place(leasebroker.Request{Bytes: 1}, nil)
	require.ErrorContains(t, err, "no nodes are known")
}

func drawPlacement(t *rapid.T) (leasebroker.Request, []leasebroker.Candidate) {
	name := rapid.SampledFrom([]string{"n0", "n1", "n2", "n3", "n4", ""})
	id := rapid.Map(name, func(s string) locator.NodeID { return locator.NodeID(s) })
	zone := rapid.SampledFrom([]string{"x", "y", "z", ""})
	side := rapid.Custom(func(t *rapid.T) leasebroker.Side {
		return leasebroker.Side{Node: id.Draw(t, "node"), Zone: zone.Draw(t, "zone")}
	})
	r := leasebroker.Request{
		Bytes: rapid.Uint64().Draw(t, "bytes"), Zone: zone.Draw(t, "required"), Producer: side.Draw(t, "producer"),
		Consumer: side.Draw(t, "consumer"), Avoid: rapid.SliceOfN(id, 0, 3).Draw(t, "avoid"),
		ApartFrom: rapid.SliceOfN(zone, 0, 2).Draw(t, "apart"), Never: rapid.SliceOfN(id, 0, 2).Draw(t, "never"),
		OtherZone: zone.Draw(t, "other"),
	}
	candidates := make([]leasebroker.Candidate, rapid.IntRange(0, 5).Draw(t, "nodes"))
	for i := range candidates {
		candidates[i] = leasebroker.Candidate{
			ID: locator.NodeID(fmt.Sprintf("n%d", i)), Zone: zone.Draw(t, "zone"), Memory: rapid.Uint64().Draw(t, "memory"),
			Leased: rapid.Uint64().Draw(t, "leased"),
			Health: rapid.SampledFrom([]string{"alive", "suspect", "unknown", "dead", "left"}).Draw(t, "health"),
		}
	}
	return r, candidates
}

// A node that is chosen has room, is not gone and is where it must be; if none is chosen, none would have done.
func TestPlaceKeepsItsConditions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, candidates := drawPlacement(t)
		fits := func(c leasebroker.Candidate) bool {
			return c.Leased <= c.Memory && c.Memory-c.Leased >= r.Bytes && c.Health != "dead" && c.Health != "left" &&
				(r.Zone == "" || c.Zone == r.Zone) && !slices.Contains(r.ApartFrom, c.Zone) && !slices.Contains(r.Never, c.ID)
		}
		got, err := leasebroker.Place(r, candidates)
		if err != nil {
			require.ErrorIs(t, err, api.ErrNoRoom)
			require.False(t, slices.ContainsFunc(candidates, fits))
			return
		}
		i := slices.IndexFunc(candidates, func(c leasebroker.Candidate) bool { return c.ID == got })
		require.True(t, fits(candidates[i]))
		if slices.Contains(r.Avoid, got) {
			require.False(t, slices.ContainsFunc(candidates, func(c leasebroker.Candidate) bool {
				return fits(c) && !slices.Contains(r.Avoid, c.ID)
			}))
		}
	})
}

func TestPlaceDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, candidates := drawPlacement(t)
		want, wantErr := leasebroker.Place(r, candidates)
		got, err := leasebroker.Place(r, rapid.Permutation(candidates).Draw(t, "permutation"))
		require.Equal(t, want, got)
		require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(err))
	})
}

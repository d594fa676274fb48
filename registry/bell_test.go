package registry

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/watchstream"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/state"
)

// The bell wakes those whom a change concerns and nobody else, and never lets anybody believe that nothing happened when it did.
func TestBellWakesThoseConcerned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, log, s := newBell(), watchstream.NewLog(8, 1<<30), state.New()
		text := func(what string, of ...string) string { return rapid.SampledFrom(of).Draw(t, what) }
		var sleepers []*sleeper
		for range rapid.IntRange(1, 6).Draw(t, "sleepers") {
			sleepers = append(sleepers, b.enter(watchstream.NewFilter(api.WatchRequest{
				Prefix: text("prefix", "", "a", "ab", "b"), Node: locator.NodeID(text("node", "", "n1")),
				Kinds: rapid.SampledFrom([][]api.RecordKind{nil, {api.RecordLease}, api.RecordKinds}).Draw(t, "kinds"),
			})))
		}
		var at, since api.Revision
		for range rapid.IntRange(1, 8).Draw(t, "rounds") {
			var changes []*watchstream.Change
			for range rapid.IntRange(0, 10).Draw(t, "changes") {
				at++
				c := watchstream.NewChange(watchstream.Place{}, api.Event{
					Type: api.EventChange, Revision: at, Kind: api.RecordEdge, Edge: &api.Edge{
						Name: text("name", "a", "ab", "abc", "b", "c"), Locator: locator.Locator{Node: locator.NodeID(text("on", "n1", "n2"))},
					},
				})
				log.Append(at, c)
				changes = append(changes, c)
			}
			v := log.View(s)
			b.ring(v)
			for _, s := range sleepers {
				first := api.Revision(0)
				for _, c := range changes {
					if first == 0 && c.Concerns(s.filter) {
						first = c.Revision()
					}
				}
				woken := len(s.wake) > 0
				if v.Floor > since { // the log has forgotten changes since the last ring: all look
					require.True(t, woken)
					require.Equal(t, since, b.quiet(s))
				} else {
					require.Equal(t, first != 0, woken)
					require.Equal(t, max(first, 1)-1, map[bool]api.Revision{true: b.quiet(s), false: 0}[woken])
				}
				s.first.Store(0)
				if woken {
					<-s.wake
				}
			}
			since = at
		}
		for _, s := range sleepers {
			require.Equal(t, at, b.quiet(s))
			b.leave(s)
		}
		require.Empty(t, b.sleepers)
	})
}

package server

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/state"
)

// doubtfulRegistry loses the outcomes of changes: of the first so many that are carried out, and then of so many that are not.
type doubtfulRegistry struct {
	*fakeRegistry
	done, undone int
	after        func(c state.Command) // a change
	onState      func()
	asked        []state.Command
}

func (d *doubtfulRegistry) Apply(ctx context.Context, c state.Command) (r state.Result, err error) {
	d.asked = append(d.asked, c)
	switch {
	case d.done > 0:
		d.done--
		_, err = d.fakeRegistry.Apply(ctx, c)
		err = errors.Join(err, api.ErrUnknown)
	case d.undone > 0:
		d.undone--
		err = api.ErrUnknown
	default:
		r, err = d.fakeRegistry.Apply(ctx, c)
	}
	if d.after != nil {
		d.after(c)
	}
	return r, err
}

// relocating is a server at level 4 of an edge p.parse that has both sides, on n1.
func relocating(t *testing.T) (*fixture, *doubtfulRegistry) {
	f := spareFixture(t)
	apply(t, f.registry, state.Upgrade{Level: 4})
	d := &doubtfulRegistry{fakeRegistry: f.registry}
	f.server.c.Registry = d
	return f, d
}

func (d *doubtfulRegistry) State() *state.State {
	if d.onState != nil {
		d.onState()
	}
	return d.fakeRegistry.State()
}

// move has the edge's sides move to what is planned for them, if anything is.
func (d *doubtfulRegistry) move(t *testing.T) {
	if r, _ := d.fakeRegistry.State().Edge("p.parse"); r.Spare != nil && r.Spare.Planned && r.Spare.Lease != "" {
		apply(t, d.fakeRegistry, state.ChangeSpare{Op: "moved", Session: "s1", Edge: "p.parse", Confirm: r.Spare.Generation, Reason: api.ReasonRequested})
	}
}

// follow has them do that at once.
func (d *doubtfulRegistry) follow(t *testing.T) { d.after = func(state.Command) { d.move(t) } }

// An outcome that nobody knows is looked up in the record, and the move goes on from there.
func TestAnUnknownOutcomeIsSettledByTheRecord(t *testing.T) {
	for name, lost := range map[string]struct{ done, undone int }{
		"nothing lost": {}, "carried out": {1, 0}, "not carried out": {0, 1}, "neither, then carried out": {0, 2},
	} {
		for _, atOnce := range []bool{false, true} {
			f, d := relocating(t)
			d.done, d.undone = lost.done, lost.undone
			d.follow(t)
			was, _ := d.State().Edge("p.parse")
			e, err := f.server.Relocate(t.Context(), "p.parse", api.RelocateRequest{AtOnce: atOnce, Avoid: []locator.NodeID{"n1"}})
			require.NoError(t, err, name)
			require.Equal(t, was.Generation+1, e.Generation, "%s: it has moved once", name)
			require.NotEqual(t, locator.NodeID("n1"), e.Locator.Node)
			require.Len(t, d.asked, 1+lost.undone, name)
		}
	}
}

// A ring that is planned already is the one that is waited for, unless it must not be there.
func TestAPlannedMoveIsJoined(t *testing.T) {
	f, d := relocating(t)
	was, _ := d.State().Edge("p.parse")
	apply(t, d.fakeRegistry, state.ChangeSpare{Op: "o", Edge: "p.parse", Expect: was.Revision, Arm: true, Planned: true, Lease: "l", Node: "n2", TTL: lease.TTLDefault})
	planned, _ := d.State().Edge("p.parse")
	looks := 0
	d.onState = func() {
		if looks++; looks == 4 { // it has seen what is planned
			d.move(t)
		}
	}
	e, err := f.server.Relocate(t.Context(), "p.parse", api.RelocateRequest{})
	require.NoError(t, err)
	require.Equal(t, planned.Spare.Generation, e.Generation)
	require.Empty(t, d.asked)

	f, d = relocating(t)
	d.follow(t)
	was, _ = d.State().Edge("p.parse")
	apply(t, d.fakeRegistry, state.ChangeSpare{Op: "o", Edge: "p.parse", Expect: was.Revision, Arm: true, Planned: true, Lease: "l", Node: "n2", TTL: lease.TTLDefault})
	e, err = f.server.Relocate(t.Context(), "p.parse", api.RelocateRequest{Avoid: []locator.NodeID{"n1", "n2"}})
	require.NoError(t, err)
	require.Equal(t, locator.NodeID("n3"), e.Locator.Node)
	require.Equal(t, fence.Epoch(4), e.Generation)
}

// Without a quorum what may have been done is said to be unknown, whatever was refused after it.
func TestWithoutAQuorumAMoveStaysUnknown(t *testing.T) {
	f, d := relocating(t)
	d.undone = 1
	f.registry.readErr = api.ErrNoQuorum
	_, err := f.server.Relocate(t.Context(), "p.parse", api.RelocateRequest{})
	require.ErrorIs(t, err, api.ErrUnknown)
	require.Len(t, d.asked, 1)

	f, d = relocating(t)
	d.undone = 1
	d.after = func(state.Command) { f.registry.applyErr = api.ErrNoQuorum }
	_, err = f.server.Relocate(t.Context(), "p.parse", api.RelocateRequest{})
	require.Equal(t, api.KindUnknown, api.ErrorOf(err).Kind)
	require.Len(t, d.asked, 3)

	f, _ = relocating(t)
	f.registry.applyErr = api.ErrNoQuorum
	_, err = f.server.Relocate(t.Context(), "p.parse", api.RelocateRequest{})
	require.Equal(t, api.KindNoQuorum, api.ErrorOf(err).Kind, "nothing was done")
}

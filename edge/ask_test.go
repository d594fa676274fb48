package edge

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
)

// bareRing is a ring in which nothing happens.
type bareRing struct{}

func (bareRing) Close() error { return nil }

func (bareRing) Wait(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// bareOwner has such rings. With let, that of generation 2 is attached when that is closed, and in vain.
type bareOwner struct{ let chan struct{} }

func (o bareOwner) attach(_ context.Context, rec api.Edge) (r bareRing, err error) {
	if rec.Generation == 2 && o.let != nil {
		<-o.let
		err = fabric.ErrDisconnected
	}
	return r, err
}

func (bareOwner) install(context.Context, bareRing, api.Edge) error { return nil }
func (bareOwner) remove()                                           {}
func (bareOwner) greet(bareRing) error                              { return nil }
func (bareOwner) look(bareRing) ([]handoff.What, error)             { return nil, nil }
func (bareOwner) say(bareRing, handoff.Do) error                    { return nil }
func (bareOwner) fail(error)                                        {}

// refusing is a registry that is always ahead of who asks.
type refusing struct {
	Cluster
	newest api.Edge
	asked  []string // details of what was
}

func (r *refusing) Edge(context.Context, string) (api.Edge, error) { return r.newest, nil }

func (r *refusing) Change(_ context.Context, q api.ChangeRequest) ([]api.Edge, error) {
	r.asked = append(r.asked, q.Detail)
	return nil, api.ErrConflict
}

func (r *refusing) ChangeSpare(_ context.Context, q api.SpareRequest) (api.Edge, error) {
	r.asked = append(r.asked, q.Detail)
	return api.Edge{}, api.ErrConflict
}

// recordWith returns a record of an edge between two sides of epoch 1 of one session.
func recordWith(revision api.Revision, ring, spare fence.Epoch) api.Edge {
	side := api.Side{Session: "s", Epoch: 1}
	e := api.Edge{Name: "e", Revision: revision, Generation: ring, Producer: side, Consumer: side}
	if spare != 0 {
		e.Spare = &api.Spare{Generation: spare, Producer: 1, Consumer: 1}
	}
	return e
}

// TestAskedTooLate has the edge move on between what a link decides and what it does: it asks all the same, has a reason to tell, and
// is refused.
func TestAskedTooLate(t *testing.T) {
	for name, c := range map[string]struct {
		inVain  bool // the spare is attached
		happens func(l *link[bareRing], own bareOwner, obey func())
	}{
		"for a move to the spare": {false, func(l *link[bareRing], _ bareOwner, _ func()) {
			l.step(handoff.MoveWanted, 2)
			l.step(handoff.Met, 2)
			l.take(recordWith(2, 3, 0))
		}},
		"for another ring than the spare that was confirmed": {true, func(l *link[bareRing], own bareOwner, obey func()) {
			l.take(recordWith(2, 2, 0))
			obey()
			close(own.let)
			synctest.Wait()
			l.take(recordWith(3, 3, 0))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl, first := &refusing{newest: recordWith(4, 3, 0)}, recordWith(1, 1, 2)
				claim := &Roles{session: Session{ID: "s"}, records: map[string]api.Edge{"e": first}}
				own := bareOwner{}
				if c.inVain {
					own.let = make(chan struct{})
				}
				l := newLink(t.Context(), cl, "e", fabric.RoleProducer, claim, options{}, owner[bareRing](own))
				obey := func() { // what run does
					synctest.Wait()
					for do, ok := l.next(); ok; do, ok = l.next() {
						l.obey(l.ctx, do)
						synctest.Wait()
					}
				}
				l.take(first)
				obey()
				c.happens(l, own, obey)
				obey()
				time.Sleep(time.Second) // longer than it waits before it asks
				obey()
				require.NotEmpty(t, cl.asked)
				require.NotEmpty(t, cl.asked[0])
				require.EqualValues(t, 3, l.record().Generation)
				l.stop(nil)
				l.leaveAll()
				l.all.Wait()
			})
		})
	}
}

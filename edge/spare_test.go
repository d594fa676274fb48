package edge_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
)

// spared is an edge whose spare is armed, and both sides are there.
type spared struct {
	t        *testing.T
	c        *edgetest.Cluster
	up, down *edgetest.Client
	p        *edge.Producer[string]
	in       *edge.Consumer[string]
	moved    atomic.Int32 // how often either side has
}

// withSpare runs f in a bubble, where time costs nothing.
func withSpare(t *testing.T, f func(t *testing.T, s *spared)) {
	synctest.Test(t, func(t *testing.T) {
		s := &spared{t: t, c: edgetest.New()}
		defer s.c.Close()
		s.up, s.down = s.c.Client("up"), s.c.Client("down")
		s.p, s.in = s.produce(s.up), s.consume(s.down)
		defer s.p.Close(canceled())
		defer s.in.Close(canceled())
		push(t, s.p, 0, 3)
		pop(t, s.in, 0, 2)
		s.ready()
		f(t, s)
	})
}

func (s *spared) observe() edge.Option {
	return edge.Observe(edge.Events{Moved: func(string, fabric.Role, fence.Epoch) { s.moved.Add(1) }})
}

func (s *spared) produce(cl edge.Cluster) *edge.Producer[string] {
	p, err := edge.Produce[string](s.t.Context(), cl, "e", s.observe())
	require.NoError(s.t, err)
	return p
}

func (s *spared) consume(cl edge.Cluster) *edge.Consumer[string] {
	in, err := edge.Consume[string](s.t.Context(), cl, "e", s.observe())
	require.NoError(s.t, err)
	return in
}

func (s *spared) rec() api.Edge {
	rec, _ := s.c.Edge("e")
	return rec
}

// ready waits until either side can move to the spare that the record names.
func (s *spared) ready() fence.Epoch {
	s.t.Helper()
	s.eventually(func() bool {
		rec := s.rec()
		return rec.Spare != nil && s.p.Stats().Spare == rec.Spare.Generation && s.in.Stats().Spare == rec.Spare.Generation
	})
	return s.rec().Spare.Generation
}

// eventually waits for up to two minutes of the bubble's time.
func (s *spared) eventually(ok func() bool) {
	s.t.Helper()
	for range 1200 {
		synctest.Wait()
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.t.Fatalf("not after two minutes: %+v", s.rec())
}

// flows expects items to go from the producer to the consumer, which has those below from already.
func (s *spared) flows(from, to int) {
	s.t.Helper()
	push(s.t, s.p, from, to)
	pop(s.t, s.in, from, to)
}

// Nobody asks the registry anything before the first new item: there is none to be asked.
func TestMoveWithoutRegistry(t *testing.T) {
	losses := map[string]func(*spared){
		"ring lost":               func(s *spared) { s.c.LoseRing("e") },
		"lost to the producer":    func(s *spared) { s.up.LoseRing("e") },
		"lost to the consumer":    func(s *spared) { s.down.LoseRing("e") },
		"lost to one, then other": func(s *spared) { s.down.LoseRing("e"); s.up.LoseRing("e") },
	}
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			withSpare(t, func(t *testing.T, s *spared) {
				before, spare := s.rec(), s.rec().Spare.Generation
				s.c.SetReachable(false)
				began := time.Now()
				lose(s)
				pop(t, s.in, 2, 3)
				s.flows(3, 50)
				require.Less(t, time.Since(began), 50*time.Millisecond, "nobody has waited for anything but the other")
				require.Equal(t, before.Revision, s.rec().Revision)
				require.Equal(t, spare, s.p.Generation())
				require.Equal(t, spare, s.in.Generation())
				require.EqualValues(t, 2, s.moved.Load())
				require.EqualValues(t, 1, s.p.Stats().Moves)

				s.c.SetReachable(true)
				next := s.ready()
				require.Equal(t, spare, s.rec().Generation)
				require.Greater(t, next, spare)
				require.Equal(t, before.Producer, s.rec().Producer, "a move leaves the roles' epochs")
				s.flows(50, 60)
				require.NoError(t, s.in.Ack(at(59)))
				require.NoError(t, s.p.Close(t.Context()))
			})
		})
	}
}

// The next spare is as good as the first, and so on.
func TestMoveAgainAndAgain(t *testing.T) {
	withSpare(t, func(t *testing.T, s *spared) {
		pop(t, s.in, 2, 3)
		for i := 3; i < 30; i += 3 {
			s.c.LoseRing("e")
			s.flows(i, i+3)
			s.ready()
		}
		require.EqualValues(t, 9, s.p.Stats().Moves)
		require.Zero(t, s.in.Stats().Repeats)
	})
}

// Whatever is lost beside the ring, rule 4 helps.
func TestRingAndSpareLost(t *testing.T) {
	losses := map[string]func(*spared){
		"both at once":              func(s *spared) { s.c.LoseSpare("e"); s.c.LoseRing("e") },
		"the spare long before":     func(s *spared) { s.c.LoseSpare("e"); synctest.Wait(); s.c.LoseRing("e") },
		"the spare a moment later":  func(s *spared) { s.c.LoseRing("e"); s.c.LoseSpare("e") },
		"the spare, to producer":    func(s *spared) { s.up.LoseSpare("e"); s.c.LoseRing("e") },
		"the spare, to consumer":    func(s *spared) { s.down.LoseSpare("e"); s.c.LoseRing("e") },
		"crosswise":                 func(s *spared) { s.up.LoseSpare("e"); s.down.LoseRing("e") },
		"crosswise, the other way":  func(s *spared) { s.down.LoseSpare("e"); s.up.LoseRing("e") },
		"the spare's lease, before": func(s *spared) { s.c.EndSpare("e"); s.c.LoseRing("e") },
		"the spare's lease, after": func(s *spared) {
			s.c.SetReachable(false)
			s.c.LoseRing("e")
			synctest.Wait()
			s.c.EndSpare("e")
			s.c.SetReachable(true)
		},
		"the ring's lease": func(s *spared) { s.c.Revoke("e"); s.c.LoseSpare("e") },
	}
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			withSpare(t, func(t *testing.T, s *spared) {
				lose(s)
				pop(t, s.in, 2, 3)
				s.flows(3, 50)
				s.ready()
				s.flows(50, 60)
				require.Equal(t, fence.Epoch(1), s.rec().Producer.Epoch)
			})
		})
	}
}

// A spare that is lost by itself is replaced, and items do not notice.
func TestSpareLost(t *testing.T) {
	losses := map[string]func(*spared){
		"spare":                func(s *spared) { s.c.LoseSpare("e") },
		"lost to the producer": func(s *spared) { s.up.LoseSpare("e") },
		"lost to the consumer": func(s *spared) { s.down.LoseSpare("e") },
		"its lease":            func(s *spared) { s.c.EndSpare("e") },
	}
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			withSpare(t, func(t *testing.T, s *spared) {
				ring, spare, rebinds := s.rec().Generation, s.rec().Spare.Generation, s.p.Stats().Rebinds
				lose(s)
				pop(t, s.in, 2, 3)
				s.flows(3, 9)
				require.Greater(t, s.ready(), spare)
				require.Equal(t, ring, s.rec().Generation)
				require.Equal(t, rebinds, s.p.Stats().Rebinds)
			})
		})
	}
}

// A producer that was replaced while it did not reach the registry learns that when it confirms its move.
func TestConfirmAfterTakeover(t *testing.T) {
	withSpare(t, func(t *testing.T, s *spared) {
		s.up.SetReachable(false)
		s.up.LoseRing("e")
		pop(t, s.in, 2, 3)
		s.flows(3, 6)
		rival := s.produce(s.c.Client("rival"))
		defer rival.Close(canceled())
		s.up.SetReachable(true)
		var err error
		for i := 100; err == nil; i++ { // the window is finite
			err = s.p.Push(t.Context(), at(i), "")
		}
		require.ErrorIs(t, err, edge.ErrFenced)
		push(t, rival, 0, 9)
		pop(t, s.in, 6, 9)
	})
}

// A mover that finds a higher generation of somebody else's making adopts it.
func TestConsumerTakeoverWhileUnconfirmed(t *testing.T) {
	withSpare(t, func(t *testing.T, s *spared) {
		s.up.SetReachable(false)
		s.up.LoseRing("e")
		pop(t, s.in, 2, 3)
		s.flows(3, 6)
		require.Less(t, s.rec().Generation, s.p.Generation())
		second := s.consume(s.c.Client("second"))
		defer second.Close(canceled())
		s.up.SetReachable(true)
		pop(t, second, 0, 6)
		push(t, s.p, 6, 9)
		pop(t, second, 6, 9)
		require.Equal(t, s.rec().Generation, s.p.Generation())
		_, err := s.in.Pop(t.Context())
		require.ErrorIs(t, err, edge.ErrFenced)
	})
}

// A producer that dies between its move and the confirmation: its successor does not know of the move, and need not.
func TestProducerDiesUnconfirmed(t *testing.T) {
	withSpare(t, func(t *testing.T, s *spared) {
		s.up.SetReachable(false)
		s.up.LoseRing("e")
		pop(t, s.in, 2, 3)
		s.flows(3, 6)
		push(t, s.p, 6, 8)
		s.up.Kill()
		again, err := edge.Produce[string](t.Context(), s.c.Client("again"), "e", edge.Standby())
		require.NoError(t, err)
		defer again.Close(canceled())
		push(t, again, 0, 12)
		m, err := s.in.Pop(t.Context())
		require.NoError(t, err)
		require.Equal(t, at(6), m.Pos)
		pop(t, s.in, 7, 12)
	})
}

// A planned move goes to a spare of its own: the ring is left when both sides are in the next one, and another spare is armed behind it.
func TestPlannedMoveGoesToASpareOfItsOwn(t *testing.T) {
	withSpare(t, func(t *testing.T, s *spared) {
		spare := s.rec().Spare.Generation
		require.NoError(t, s.p.Relocate(t.Context()))
		pop(t, s.in, 2, 3)
		s.flows(3, 9)
		require.EqualValues(t, 2, s.moved.Load())
		require.Greater(t, s.rec().Generation, spare)
		require.Greater(t, s.ready(), s.rec().Generation)
		require.NoError(t, s.in.Relocate(t.Context()))
		s.flows(9, 12)
		require.Zero(t, s.in.Stats().Repeats)
	})
}

// Where no planned move can be armed, or none comes about, the edge moves by rule 4.
func TestPlannedMoveByRule4(t *testing.T) {
	for name, spoil := range map[string]func(c *edgetest.Cluster) error{
		"unsupported": func(*edgetest.Cluster) error { return api.Errorf(api.KindUnsupported, "planned moves") },
		"full":        func(*edgetest.Cluster) error { return api.Errorf(api.KindNoRoom, "full") },
		"lost":        func(c *edgetest.Cluster) error { c.LoseSpare("e"); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &spared{t: t, c: edgetest.New()}
				defer s.c.Close()
				cl := &hostile{Client: s.c.Client("up")}
				s.p, s.in = s.produce(cl), s.consume(s.c.Client("down"))
				defer s.p.Close(canceled())
				defer s.in.Close(canceled())
				s.flows(0, 3)
				s.ready()
				was := s.rec()
				cl.planned = func() error { return spoil(s.c) }
				require.NoError(t, s.p.Relocate(t.Context()))
				s.flows(3, 9)
				require.Greater(t, s.rec().Generation, was.Generation)
			})
		})
	}
}

// A ring that is ended without a word from the registry is a loss like another.
func TestSealedAndNoNews(t *testing.T) {
	withSpare(t, func(t *testing.T, s *spared) {
		s.c.SetReachable(false)
		s.c.Seal("e")
		pop(t, s.in, 2, 3)
		s.flows(3, 9)
		require.EqualValues(t, 2, s.moved.Load())
	})
}

// Where there is no other node there is no spare, until there is one.
func TestSpareNeedsAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &spared{t: t, c: edgetest.New()}
		defer s.c.Close()
		s.c.SetNodes(1)
		cl := &hostile{Client: s.c.Client("up")}
		s.p, s.in = s.produce(cl), s.consume(s.c.Client("down"))
		defer s.p.Close(canceled())
		defer s.in.Close(canceled())
		s.flows(0, 3)
		time.Sleep(2 * time.Minute)
		require.Nil(t, s.rec().Spare)
		require.Less(t, cl.spares.Load(), int32(10), "asked for quietly")
		s.c.LoseRing("e")
		s.flows(3, 6)
		s.c.SetNodes(2)
		s.ready()
	})
}

func TestWithoutSpare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := edgetest.New()
		defer c.Close()
		p, err := edge.Produce[string](t.Context(), c.Client("up"), "e", edge.Spare(false))
		require.NoError(t, err)
		defer p.Close(canceled())
		in, err := edge.Consume[string](t.Context(), c.Client("down"), "e")
		require.NoError(t, err)
		defer in.Close(canceled())
		push(t, p, 0, 3)
		pop(t, in, 0, 3)
		time.Sleep(time.Minute)
		rec, _ := c.Edge("e")
		require.Nil(t, rec.Spare)
	})
}

// Who has lost the spare alone need not say so: its node ends it, and the other does not go there in vain.
func TestASpareThatOneSideHasLostIsNotMovedTo(t *testing.T) {
	for name, lose := range map[string]func(*spared){
		"the consumer": func(s *spared) { s.down.LoseSpare("e") },
		"the producer": func(s *spared) { s.up.LoseSpare("e") },
	} {
		t.Run(name, func(t *testing.T) {
			withSpare(t, func(t *testing.T, s *spared) {
				pop(t, s.in, 2, 3)
				lost := s.rec().Spare.Generation
				lose(s)
				synctest.Wait()
				require.Zero(t, s.p.Stats().Spare)
				require.Zero(t, s.in.Stats().Spare)
				began := time.Now()
				s.c.LoseRing("e")
				s.flows(3, 10)
				require.Less(t, time.Since(began), 100*time.Millisecond, "nobody waited for the other")
				require.Zero(t, s.moved.Load())
				require.Greater(t, s.rec().Generation, lost)
			})
		})
	}
}

package registry_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/watchcheck"
	"github.com/grafnode/grafnode/internal/watchstream"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// truth computes what the registry did by itself, from the commands that members apply, in a state machine that is nobody's.
type truth struct {
	mu    sync.Mutex
	state *state.State
	index uint64
	ref   *watchcheck.Reference
}

func newTruth() *truth {
	return &truth{state: state.New(), ref: watchcheck.NewReference()}
}

// follow has the truth learn what m applies, unless it knows.
func (k *truth) follow(m *member) {
	m.OnApply(func(index, term uint64, c state.Command, _ state.Result) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if index <= k.index {
			return
		}
		k.index = index
		k.state, _ = k.state.Step(state.Entry{Index: index, Term: term, Command: c})
		k.ref.Add(k.state.Revision(), everything(k.state))
	})
}

func everything(s *state.State) iter.Seq[api.Event] {
	f := watchstream.NewFilter(api.WatchRequest{Kinds: api.RecordKinds})
	return func(yield func(api.Event) bool) {
		for _, k := range api.RecordKinds {
			for _, e := range s.Select(f, k, "") {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// check judges a stream. What the truth has not seen yet it must have soon.
func (k *truth) check(t *testing.T, streams ...*watchcheck.Stream) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range streams {
		require.NoError(t, watchcheck.Check(k.ref, *s), "%+v, %d lines", s.Request, len(s.Lines))
	}
}

// registries are the members as readers find them, while they are restarted.
type registries struct {
	mu    sync.Mutex
	by    map[*member]*registry.Registry
	order []*member
}

func (o *registries) set(m *member) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.by[m] = m.Registry
}

func (o *registries) number(i int) *registry.Registry {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.by[o.order[i%len(o.order)]]
}

// reader reads from one member after the other, as a client does, and records the streams and the history.
type reader struct {
	q       api.WatchRequest
	slow    time.Duration // pause after each event
	history *watchstream.History
	whole   *watchcheck.Stream
	streams []*watchcheck.Stream
	gaps    int
}

func newReader(name string, q api.WatchRequest) *reader {
	return &reader{q: q, history: watchstream.NewHistory(q), whole: &watchcheck.Stream{Name: name, Request: q}}
}

// run reads until it has everything up to final.
func (r *reader) run(ctx context.Context, t *testing.T, number int, open *registries, final func() (api.Revision, bool)) {
	for i := number; ctx.Err() == nil; i++ {
		if r.read(ctx, open.number(i), 30+rand.IntN(100), final) {
			return
		}
	}
	t.Errorf("%s: did not come to the end", r.whole.Name)
}

// read takes up to n events from m; true when the history has come to its end.
func (r *reader) read(ctx context.Context, m *registry.Registry, n int, final func() (api.Revision, bool)) bool {
	q := r.q
	q.From = r.history.From()
	s := &watchcheck.Stream{Name: fmt.Sprintf("%s/%d", r.whole.Name, len(r.streams)), Request: q}
	r.streams = append(r.streams, s)
	head := api.Revision(0)
	for e, err := range m.Watch(ctx, q) {
		if err != nil {
			r.gaps += gap(err)
			return false
		}
		s.Add(e, head)
		head = m.State().Revision()
		events, err := r.history.Take(e)
		if err != nil {
			return false
		}
		for _, e := range events {
			r.whole.Add(e, 0)
			if at, ok := final(); ok && e.Type == api.EventBookmark && e.Revision >= at {
				return true
			}
		}
		if n--; n < 0 && e.Type == api.EventBookmark {
			return false
		}
		time.Sleep(r.slow)
	}
	return false
}

func gap(err error) int {
	if api.ErrorOf(err).Kind == api.KindGap {
		return 1
	}
	return 0
}

// Readers of every kind go from member to member, which lead, restart, take snapshots and forget. What each stream said, and what the
// readers made of it, is held against what the state machine did.
func TestStreamsAreTrue(t *testing.T) {
	t.Parallel()
	known := newTruth()
	c := newCluster(t, 3, func(cfg *registry.Config) { cfg.TrailingLogs, cfg.SnapshotThreshold = 8, 32 })
	open := &registries{by: map[*member]*registry.Registry{}, order: c.members}
	c.prepare = func(m *member) {
		known.follow(m)
		open.set(m)
	}
	for _, m := range c.members {
		c.restart(m)
	}
	c.furnish("s1", "s2")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	var final struct {
		sync.Mutex
		at api.Revision
	}
	done := func() (api.Revision, bool) {
		final.Lock()
		defer final.Unlock()
		return final.at, final.at != 0
	}
	var readers []*reader
	var reading sync.WaitGroup
	for i, q := range []api.WatchRequest{
		{}, {Mode: api.WatchAll}, {Prefix: "p.1"}, {Node: "host2"}, {Node: node, Kinds: api.RecordKinds},
		{Kinds: []api.RecordKind{api.RecordLease, api.RecordSession}, Mode: api.WatchAll}, {Kinds: api.RecordKinds},
	} {
		r := newReader(fmt.Sprint("reader ", i), q)
		if i%3 == 0 {
			r.slow = time.Millisecond
		}
		readers = append(readers, r)
		reading.Go(func() { r.run(ctx, t, i, open, done) })
	}
	c.stir(t)
	at := c.apply(state.Nothing{}).Revision
	final.Lock()
	final.at = at
	final.Unlock()
	reading.Wait()
	c.agree()
	total := 0
	for _, r := range readers {
		known.check(t, r.streams...)
		known.check(t, r.whole)
		require.NotEmpty(t, r.whole.Lines, r.whole.Name)
		total += len(r.whole.Lines)
	}
	t.Logf("%d events in %d histories", total, len(readers))
}

// A stream that is behind says where it is by a mark, once: whoever is told again, with nothing between, is told how far the node
// has come meanwhile.
func TestAMarkIsNotSaidTwice(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, func(cfg *registry.Config) { steady(cfg); cfg.Bookmark = time.Microsecond }) // always due
	c.furnish("s1")
	m := c.leader()
	first := c.apply(take("p.a", 0, "s1")).Revision
	for i := range 40 { // more than the stream sends at a time
		c.apply(take(fmt.Sprint("p.", i), 0, "s1"))
	}
	for _, from := range []api.Revision{0, first} { // its mark is the state's sync, or the one that it owes
		var head api.Revision
		for e, err := range m.Watch(t.Context(), api.WatchRequest{Prefix: "p.", From: from}) {
			require.NoError(t, err)
			if head != 0 {
				require.Equal(t, api.EventBookmark, e.Type)
				require.GreaterOrEqual(t, e.Revision, head, "from %d", from)
				break
			}
			if e.Type == api.EventSync || e.Type == api.EventBookmark {
				head = c.apply(take(fmt.Sprint("q.", from), 0, "s1")).Revision
			}
		}
	}
}

// stir changes edges, leases and sessions while members lead, restart and take snapshots in turn.
func (c *cluster) stir(t *testing.T) {
	host2 := c.apply(state.RegisterNode{Node: "host2", Address: "127.0.0.1:7001", Memory: 1 << 40}).Node
	for i := range 160 {
		name := fmt.Sprint("p.", i%12)
		c.applyUntil(takeOn(name, "s1", []locator.NodeID{node, "host2"}[i%5/3]), name)
		switch i % 20 {
		case 4:
			id := lease.SessionID(fmt.Sprint("t", i))
			c.apply(state.OpenSession{Session: id, Stage: "p.x", Node: host2.ID, Incarnation: host2.Incarnation, TTL: lease.TTLDefault})
			c.applyUntil(takeOn("p.t", id, "host2"), "p.t")
			c.try(state.EndSession{Session: id})
		case 9:
			r, _ := c.leader().State().Edge(name)
			c.try(state.DeleteEdge{Name: name, Expect: r.Revision})
		case 13:
			_ = c.leader().Transfer(c.within(), "") // whether or not it succeeds
		case 17:
			m := c.followers()[0]
			require.NoError(t, m.Snapshot(c.within()))
			c.restart(m)
		}
	}
}

// try applies a command whose outcome does not matter.
func (c *cluster) try(cmd state.Command) { _, _ = c.leader().Apply(c.within(), cmd) }

func takeOn(name string, s lease.SessionID, host locator.NodeID) state.ChangeEdges {
	cmd := take(name, 0, s)
	cmd.Edges[0].Node = host
	return cmd
}

package integration

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/internal/boottime"
)

// watcher reads watch streams, each for a while, and goes on with the next at any node from where it has got to.
type watcher struct {
	number int
	e      *ensemble
	rec    *history.Recorder
	random *rand.Rand
	prefix string
	kinds  []api.RecordKind
	all    bool
}

func newWatcher(number int, e *ensemble, rec *history.Recorder, seed uint64) *watcher {
	w := &watcher{
		number: number, e: e, rec: rec, random: rand.New(rand.NewPCG(seed, uint64(number)+0x200)),
		prefix: []string{"", "g0", "held"}[number%3], all: number%2 == 0,
	}
	if number%4 < 2 {
		w.kinds = api.RecordKinds
	}
	return w
}

func (w *watcher) run(ctx context.Context) {
	var from api.Revision
	for first := w.number % len(w.e.members); ctx.Err() == nil; first = -1 {
		m := w.e.members[w.random.IntN(len(w.e.members))]
		if first >= 0 {
			m = w.e.members[first]
		}
		span := time.Second + time.Duration(w.random.Int64N(int64(6*time.Second)))
		if w.random.IntN(12) == 0 {
			from = 0 // somebody who begins anew
		}
		from = w.stream(ctx, m, from, span)
		pass(ctx, time.Duration(w.random.Int64N(int64(50*time.Millisecond))))
	}
}

// stream reads one stream and returns up to where the watcher has everything. The last revision that was told may have had more
// changes than were told, unless a mark says otherwise: all of a revision come again.
func (w *watcher) stream(ctx context.Context, m *member, from api.Revision, span time.Duration) api.Revision {
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	s := history.Stream{Watcher: w.number, Node: m.number, Prefix: w.prefix, Kinds: w.kinds, All: w.all, From: from, Began: boottime.Now()}
	for e, err := range m.api.Watch(ctx, s.Request()) {
		if err != nil {
			if ctx.Err() == nil {
				s.Ended = err.Error()
			}
			if errors.Is(err, api.ErrGap) {
				from = 0 // it was too slow for all changes, and is told: begin anew
			}
			break
		}
		s.Seen = append(s.Seen, history.Seen{At: boottime.Now(), Event: e})
		switch {
		case e.Type == api.EventSync || e.Type == api.EventBookmark:
			from = max(from, e.Revision)
		case e.Type == api.EventChange && e.Revision > 0:
			from = max(from, e.Revision-1)
		}
	}
	w.rec.Stream(s)
	return from
}

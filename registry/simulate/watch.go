package simulate

import (
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/watchcheck"
	"github.com/grafnode/grafnode/internal/watchstream"
)

const (
	resumeWait   = 5 * time.Second
	streamSilent = 3 * api.BookmarkEvery
)

// watch is a stage's watch: one history out of the streams of several nodes, one after the other.
type watch struct {
	stage   *stage
	request api.WatchRequest
	history *watchstream.History
	told    watchcheck.Stream
	most    int          // ends after so many events
	low     api.Revision // nothing from before comes
	link    *stream
}

// stream is a node's stream and the connection that carries it: in order, until it breaks.
type stream struct {
	watch  *watch
	node   *node
	life   uint32 // the stage's
	cursor *watchstream.Cursor
	sent   watchcheck.Stream
	waking bool
	broken bool          // nothing more is sent
	torn   bool          // nothing more arrives, of what is under way either
	behind time.Duration // when what was sent last arrives
	heard  time.Duration
	buffer []api.Event
	end    error
}

// look begins a watch.
func (s *stage) look(from api.Revision) {
	w := s.w
	q := api.WatchRequest{From: from}
	if w.chance(300) {
		q.Mode = api.WatchAll
	}
	if w.chance(300) {
		q.Kinds = api.RecordKinds
	}
	if w.chance(200) {
		q.Prefix = "e0"
	}
	if w.chance(200) {
		q.Node = w.anyNode().id
	}
	v := &watch{stage: s, request: q, history: watchstream.NewHistory(q), most: 20 + w.rng.IntN(300), low: w.oldest()}
	v.told = watchcheck.Stream{Name: fmt.Sprintf("of %s, mode %q", s.name, q.Mode), Request: q}
	s.watch = v
	v.open()
}

// open asks a node to go on: the own one, or another.
func (v *watch) open() {
	s := v.stage
	n := s.node
	if s.w.chance(400) {
		n = s.w.anyNode()
	}
	q := v.request
	q.From = v.history.From()
	st := &stream{watch: v, node: n, life: s.life, heard: s.w.now}
	st.sent = watchcheck.Stream{Name: fmt.Sprintf("from node %d to %s, mode %q", n.m.id, s.name, q.Mode), Request: q}
	v.link = st
	if q.From != 0 {
		s.w.Stats.Resumes++
	}
	s.w.sendOnce(s.m, &n.process, "watch", s.who, func() { n.serveFrom(st, s.w.now+resumeWait) })
	v.listen(st)
}

// listen gives a stream up that has said nothing for long.
func (v *watch) listen(st *stream) {
	v.stage.after(streamSilent, "silent?", 0, func() {
		switch {
		case v.stage.watch != v || v.link != st:
		case v.stage.w.now-st.heard >= streamSilent:
			v.again(st)
		default:
			v.listen(st)
		}
	})
}

// again goes on at another node, after a while.
func (v *watch) again(st *stream) {
	if v.stage.watch != v || v.link != st {
		return
	}
	v.link, st.broken = nil, true
	v.stage.w.judge.watched(st.sent)
	v.stage.after(v.stage.w.between(10*time.Millisecond, 500*time.Millisecond), "watch again", 0, func() {
		if v.stage.watch == v && v.link == nil {
			v.open()
		}
	})
}

// carry brings events to the reader, after those before. They wait in its buffer while it is stopped.
func (st *stream) carry(events []api.Event) {
	st.deliver(func() { st.buffer = append(st.buffer, events...) })
}

// close ends a stream and says why.
func (st *stream) close(why error) {
	st.deliver(func() { st.end = why })
	st.broken = true
}

func (st *stream) deliver(arrive func()) {
	n, s := st.node, st.watch.stage
	w := n.w
	if st.broken {
		return
	}
	st.behind = max(st.behind+1, w.now+w.delay())
	w.plan(st.behind-w.now, func() {
		if n.m != s.m && w.net.cut[n.m.id][s.m.id] {
			st.broken, st.torn = true, true // for ever, though nobody knows it yet
		}
		if st.torn {
			return
		}
		arrive()
		s.arrive(st.life, "events", n.who, func() { st.read() })
	})
}

// read takes in what has arrived.
func (st *stream) read() {
	v := st.watch
	w := v.stage.w
	if v.stage.watch != v || v.link != st {
		return
	}
	events := st.buffer
	st.buffer, st.heard = nil, w.now
	for _, e := range events {
		st.sent.Add(e, 0)
		out, err := v.history.Take(e)
		if err != nil {
			v.ended(st, err)
			return
		}
		for _, o := range out {
			v.told.Add(o, 0)
			w.Stats.Events++
			if o.Type == api.EventSync && o.Resync || o.Type == api.EventChange && o.Resync {
				w.Stats.Resyncs++
			}
		}
	}
	switch {
	case st.end != nil:
		v.ended(st, st.end)
	case len(v.told.Lines) > v.most:
		v.finish(st)
	}
}

// ended judges a stream's end: mode all begins anew after a gap, everything else goes on elsewhere.
func (v *watch) ended(st *stream, why error) {
	if errors.Is(why, api.ErrGap) {
		v.stage.w.Stats.Gaps++
		v.finish(st)
		return
	}
	v.again(st)
}

// finish hands a watch to the judge and begins another, from where it was or from nothing.
func (v *watch) finish(st *stream) {
	s := v.stage
	st.broken = true
	s.w.Stats.Watches++
	s.w.judge.watched(st.sent)
	s.w.judge.watched(v.told)
	from := api.Revision(0)
	if s.w.chance(500) {
		from = v.history.From()
	}
	s.watch = nil
	s.after(s.w.between(0, 2*time.Second), "watch anew", 0, func() {
		if s.watch == nil {
			s.look(from)
		}
	})
}

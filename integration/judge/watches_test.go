package judge

import (
	"testing"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/lease"
)

func watch(from api.Revision, events ...api.Event) history.Stream {
	s := history.Stream{Watcher: 1, Prefix: "", From: from}
	for i, e := range events {
		s.Seen = append(s.Seen, history.Seen{At: lease.Instant(100 + i), Event: e})
	}
	return s
}

func event(t api.EventType, at api.Revision) api.Event { return api.Event{Type: t, Revision: at} }

func change(e api.Edge) api.Event {
	return api.Event{Type: api.EventChange, Revision: e.Revision, Edge: &e}
}

func TestWatches(t *testing.T) {
	base := func() *script {
		s := new(script)
		s.change(history.Applied, 0, a1)
		s.change(history.Applied, 10, a2)
		s.change(history.Applied, 20, a3)
		return s
	}
	sync := event(api.EventSync, 5)
	for name, tc := range map[string]struct {
		streams []history.Stream
		wrong   bool
	}{
		"all of it":           {[]history.Stream{watch(0, sync, change(a1), change(a2), change(a3), event(api.EventBookmark, 35))}, false},
		"the latest":          {[]history.Stream{watch(0, sync, change(a3), event(api.EventBookmark, 35))}, false},
		"goes on":             {[]history.Stream{watch(0, sync, change(a1)), watch(10, change(a2), change(a3), event(api.EventBookmark, 35))}, false},
		"missed at a mark":    {[]history.Stream{watch(0, sync, change(a1), event(api.EventBookmark, 35))}, true},
		"missed when resumed": {[]history.Stream{watch(0, sync, change(a1)), watch(10, event(api.EventBookmark, 35))}, true},
		"backwards":           {[]history.Stream{watch(0, sync, change(a2), change(a1))}, true},
		"twice":               {[]history.Stream{watch(0, sync, change(a2), change(a2))}, true},
		"behind the resume":   {[]history.Stream{watch(0, sync, change(a1), change(a2)), watch(20, change(a2))}, true},
		"behind a mark":       {[]history.Stream{watch(0, sync, change(a1), change(a2), change(a3), event(api.EventBookmark, 35), change(a3))}, true},
		"marks fall":          {[]history.Stream{watch(0, sync, event(api.EventBookmark, 9), event(api.EventBookmark, 8))}, true},
		"state lacks an edge": {[]history.Stream{watch(0, event(api.EventSync, 35))}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := base()
			s.h.Streams = tc.streams
			if tc.wrong {
				s.wrong(t, "watches")
			} else {
				s.right(t)
			}
		})
	}
	s := base()
	s.h.Streams = []history.Stream{watch(0, sync, change(a1), change(a3), event(api.EventBookmark, 35))}
	s.right(t)
	s.h.Streams[0].All = true
	s.wrong(t, "watches")
}

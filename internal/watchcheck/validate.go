package watchcheck

import (
	"maps"

	"github.com/grafnode/grafnode/api"
)

// Ordered: see the package.
func Ordered(_ *Reference, s Stream) error {
	last, complete := s.Request.From, s.Request.From
	for i, l := range s.Lines {
		e := l.Event
		switch {
		case e.Type == api.EventState:
			continue
		case e.Revision < last:
			return s.wrong("ordered", i, "after revision %d", last)
		case e.Type == api.EventChange && e.Revision <= complete && !e.Resync:
			return s.wrong("ordered", i, "everything up to %d was said to be told", complete)
		}
		last = e.Revision
		if isMark(e) {
			complete = e.Revision
		}
	}
	return nil
}

// Unique: see the package.
func Unique(_ *Reference, s Stream) error {
	type telling struct {
		record Record
		at     api.Revision
	}
	told := map[telling]bool{}
	for i, l := range s.Lines {
		t := telling{recordOf(l.Event), l.Event.Revision}
		if l.Event.Type != api.EventChange {
			continue
		}
		if told[t] {
			return s.wrong("unique", i, "told before")
		}
		told[t] = true
	}
	return nil
}

// Atomic: see the package.
func Atomic(r *Reference, s Stream) error {
	f := s.filter()
	var here map[Record]bool // changes of the revision that is being told
	var at api.Revision
	closed := map[api.Revision]bool{}
	for i, l := range s.Lines {
		e := l.Event
		if e.Type == api.EventChange && e.Revision == at && here != nil {
			here[recordOf(e)] = true
			continue
		}
		if here != nil && s.Request.Mode == api.WatchAll {
			for _, m := range r.between(at-1, at) {
				if r.concerns(f, m) && !here[m.record] {
					return s.wrong("atomic", i, "of revision %d, %s was not told before this", at, m.record)
				}
			}
		}
		if here != nil {
			closed[at], here = true, nil
		}
		if e.Type == api.EventChange {
			if closed[e.Revision] {
				return s.wrong("atomic", i, "the revision's other changes came apart from it")
			}
			at, here = e.Revision, map[Record]bool{recordOf(e): true}
		}
	}
	return nil
}

// Resumable: see the package.
func Resumable(_ *Reference, s Stream) error {
	if s.Request.From == 0 {
		return nil
	}
	for i, l := range s.Lines {
		e := l.Event
		switch {
		case e.Type == api.EventState || e.Type == api.EventSync:
			if !e.Resync || s.Request.Mode == api.WatchAll {
				return s.wrong("resumable", i, "a state, in a stream that was to go on from %d", s.Request.From)
			}
			if e.Type == api.EventSync && e.Revision < s.Request.From {
				return s.wrong("resumable", i, "a state from before %d", s.Request.From)
			}
		case e.Type == api.EventChange && e.Revision <= s.Request.From, e.Revision < s.Request.From:
			return s.wrong("resumable", i, "the stream was to begin after %d", s.Request.From)
		}
	}
	return nil
}

// Bookmarkable: see the package.
func Bookmarkable(r *Reference, s Stream) error {
	marked := s.Request.From
	f := s.filter()
	told := map[moment]bool{}
	quiet := true // since the last mark
	for i, l := range s.Lines {
		e := l.Event
		if e.Type == api.EventChange {
			if e.Revision <= marked && !e.Resync {
				return s.wrong("bookmarkable", i, "a bookmark said that everything up to %d was told", marked)
			}
			told[moment{e.Revision, recordOf(e)}] = true
		}
		if !isMark(e) {
			quiet = false
			continue
		}
		switch {
		case e.Revision > r.head:
			return s.wrong("bookmarkable", i, "the registry has come to %d only", r.head)
		case e.Revision < marked:
			return s.wrong("bookmarkable", i, "back from %d", marked)
		case e.Type == api.EventBookmark && quiet && e.Revision < l.Head:
			return s.wrong("bookmarkable", i, "nothing is told, and the bookmark stays behind %d, where it cannot be resumed for long", l.Head)
		}
		if s.Request.Mode == api.WatchAll && e.Type == api.EventBookmark {
			for _, m := range r.between(marked, e.Revision) {
				if r.concerns(f, m) && !told[m] {
					return s.wrong("bookmarkable", i, "%s at %d was not told yet", m.record, m.revision)
				}
			}
		}
		marked, quiet = e.Revision, true
	}
	return nil
}

// Synced: see the package.
func Synced(r *Reference, s Stream) error {
	var state map[Record]string // that is being told
	synced := s.Request.From != 0
	for i, l := range s.Lines {
		e := l.Event
		switch {
		case e.Type == api.EventState:
			if synced && !e.Resync {
				return s.wrong("synced", i, "a state again, not said to be one")
			}
			if state == nil {
				state = map[Record]string{}
			}
			if _, twice := state[recordOf(e)]; twice {
				return s.wrong("synced", i, "twice in one state")
			}
			state[recordOf(e)] = digest(e)
		case e.Type == api.EventSync:
			if synced && !e.Resync {
				return s.wrong("synced", i, "a second sync")
			}
			if want := r.state(s.filter(), e.Revision); !maps.Equal(state, want) {
				return s.wrong("synced", i, "the state was %s", differ(state, want))
			}
			state, synced = nil, true
		case state != nil || !synced:
			return s.wrong("synced", i, "before the sync")
		}
	}
	return nil
}

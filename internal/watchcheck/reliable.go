package watchcheck

import (
	"fmt"
	"maps"

	"github.com/grafnode/grafnode/api"
)

// Reliable: see the package.
func Reliable(r *Reference, s Stream) error {
	f := s.filter()
	view := r.state(f, s.Request.From)
	if s.Request.From == 0 {
		view = map[Record]string{}
	}
	next := r.between(s.Request.From, r.head) // mode all: what is to be told
	told := map[moment]bool{}
	state := map[Record]string{} // that is being told
	for i, l := range s.Lines {
		e := l.Event
		record := recordOf(e)
		switch e.Type {
		case api.EventState:
			state[record] = digest(e)
		case api.EventChange:
			if err := truth(r, s, i); err != nil {
				return err
			}
			if s.Request.Mode == api.WatchAll {
				for len(next) > 0 && next[0].revision < e.Revision {
					if r.concerns(f, next[0]) && !told[next[0]] {
						return s.wrong("reliable", i, "%s at %d is missing before it", next[0].record, next[0].revision)
					}
					next = next[1:]
				}
				told[moment{e.Revision, record}] = true
			}
			if e.Gone() {
				delete(view, record)
			} else {
				view[record] = digest(e)
			}
		case api.EventSync, api.EventBookmark:
			if e.Type == api.EventSync {
				view, state = state, map[Record]string{}
				next = r.between(e.Revision, r.head)
			}
			if want := r.state(f, e.Revision); !maps.Equal(view, want) {
				return s.wrong("reliable", i, "the reader was told that it has everything, and has %s", differ(view, want))
			}
		}
	}
	return nil
}

// truth checks that a change happened, as it is told.
func truth(r *Reference, s Stream, i int) error {
	e := s.Lines[i].Event
	is := r.at(recordOf(e), e.Revision)
	switch {
	case is.revision != e.Revision && !e.Resync:
		return s.wrong("reliable", i, "nothing happened to it then; its last change before was at %d", is.revision)
	case e.Deleted && is.digest != "" && s.filter().Matches(is.place):
		return s.wrong("reliable", i, "it exists")
	case !e.Deleted && is.digest == "":
		return s.wrong("reliable", i, "it was deleted then")
	case !e.Deleted && digest(e) != is.digest:
		return s.wrong("reliable", i, "told as %s, it was %s", digest(e), is.digest)
	}
	return nil
}

// Filtered: see the package.
func Filtered(r *Reference, s Stream) error {
	f := s.filter()
	for i, l := range s.Lines {
		e := l.Event
		record := recordOf(e)
		if record.Key == "" || e.Deleted {
			continue // what was deleted is nowhere; that it was known is checked by Reliable
		}
		at := e.Revision
		is := r.at(record, at)
		switch matches := f.Matches(is.place); {
		case e.Type == api.EventState:
			// as of the sync, where Synced looks at it
		case e.Left && matches:
			return s.wrong("filtered", i, "told that it left, and it is still what was asked for")
		case !e.Left && !matches:
			return s.wrong("filtered", i, "it is not what was asked for")
		case e.Left && s.Request.Mode == api.WatchAll && !f.Matches(r.at(record, at-1).place):
			return s.wrong("filtered", i, "told that it left, and it was not there")
		}
	}
	for i, l := range s.Lines {
		if !l.Event.Deleted {
			continue
		}
		if !r.ever(recordOf(l.Event), func(v version) bool { return f.Matches(v.place) }) {
			return s.wrong("filtered", i, "it was never what was asked for")
		}
	}
	return nil
}

// ever reports whether a record has ever been so.
func (r *Reference) ever(record Record, so func(version) bool) bool {
	for _, v := range r.versions[record] {
		if so(v) {
			return true
		}
	}
	return false
}

// differ says how what there is differs from what there should be.
func differ(have, want map[Record]string) string {
	for record, d := range want {
		if h, ok := have[record]; !ok {
			return fmt.Sprintf("without %s", record)
		} else if h != d {
			return fmt.Sprintf("%s as %q, not %q", record, h, d)
		}
	}
	for record := range have {
		if _, ok := want[record]; !ok {
			return fmt.Sprintf("%s, which is not there", record)
		}
	}
	return "what it should be"
}

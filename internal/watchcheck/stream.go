package watchcheck

import (
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/watchstream"
)

// Stream is what one reader got, from the beginning to the end or to where the recorder stopped.
type Stream struct {
	Name    string // for messages
	Request api.WatchRequest
	Lines   []Line
}

// Line is one event.
type Line struct {
	Event api.Event
	// Head is a revision that the node was known to have when the line before this one was read; zero: not known.
	Head api.Revision
}

// Add records an event.
func (s *Stream) Add(e api.Event, head api.Revision) { s.Lines = append(s.Lines, Line{e, head}) }

// Check runs all validators.
func Check(r *Reference, s Stream) error {
	var errs []error
	for _, validate := range []func(*Reference, Stream) error{
		Ordered, Unique, Atomic, Reliable, Resumable, Bookmarkable, Synced, Filtered,
	} {
		errs = append(errs, validate(r, s))
	}
	return errors.Join(errs...)
}

func (s Stream) filter() watchstream.Filter { return watchstream.NewFilter(s.Request) }

// wrong is the verdict on a line.
func (s Stream) wrong(promise string, i int, format string, args ...any) error {
	e := s.Lines[i].Event
	kind, key := e.Record()
	return fmt.Errorf("%s: stream %s, line %d (%s %s %s at %d): %s",
		promise, s.Name, i, e.Type, kind, key, e.Revision, fmt.Sprintf(format, args...))
}

// isMark reports whether e says that everything up to its revision was told.
func isMark(e api.Event) bool { return e.Type == api.EventBookmark || e.Type == api.EventSync }

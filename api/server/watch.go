package server

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
)

// watchStall is how long a watch waits for a reader that does not read, before it lets it go.
const watchStall = 10 * time.Second

// watch streams events, one a line, until the reader goes away, the registry says that the stream cannot go on, or the node
// stops. Each event is on its way before the next is asked for, but the state at the beginning goes out in large pieces. Readers
// of the same change are sent the same bytes, which are made once. What the reader may not see is left out; when its token is no more, that ends it.
func (s *Server) watch(w http.ResponseWriter, r *http.Request) error {
	request, err := watchRequest(queryOf(r))
	if err != nil {
		return err
	}
	access := accessOf(r)
	if err := mayWatch(access, request.Kinds); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := http.NewResponseController(w)
	told := request.From // what the reader may see up to here is all on its way
	for event, err := range s.c.Registry.Watch(r.Context(), request) {
		if err != nil {
			if r.Context().Err() == nil {
				event.Type, event.Error = api.EventError, api.ErrorOf(err)
				s.sendLine(w, out, event) // last words
			}
			_ = out.SetWriteDeadline(time.Time{}) // the connection goes on; its next answer has time of its own
			return nil
		}
		if over := access.over(); over != nil {
			s.sendLine(w, out, api.Event{Type: api.EventError, Revision: told, Error: api.ErrorOf(over)})
			_ = out.SetWriteDeadline(time.Time{})
			return nil
		}
		if !access.sees(event) {
			continue
		}
		if event.Type == api.EventSync || event.Type == api.EventBookmark {
			told = event.Revision
		}
		if !s.sendLine(w, out, event) {
			return nil
		}
	}
	return nil
}

// mayWatch refuses a watch of kinds of which its reader may see none.
func mayWatch(a *access, kinds []api.RecordKind) error {
	for _, kind := range kinds {
		if kind == api.RecordNode || kind == api.RecordSession {
			return a.may("")
		}
	}
	return nil
}

// over reports why a request that takes long may not go on.
func (a *access) over() error {
	if a.still == nil {
		return nil
	}
	return a.still()
}

// sees reports whether a reader may see an event. What is no record's is for all.
func (a *access) sees(e api.Event) bool {
	switch {
	case e.Edge != nil:
		return a.allows(e.Edge.Name)
	case e.Lease != nil:
		return a.allows(cmp.Or(e.Lease.Edge, e.Lease.Name))
	case e.Node != nil, e.Session != nil:
		return a.allows("")
	}
	return true
}

// sendLine reports whether the event was handed on. State events may be held back until the next of another type.
func (s *Server) sendLine(w http.ResponseWriter, out *http.ResponseController, e api.Event) bool {
	line, err := e.Line()
	if err != nil {
		s.c.Logger.Error("watch: event cannot be encoded", "error", err)
		return false
	}
	_ = out.SetWriteDeadline(time.Now().Add(watchStall)) // a writer without deadlines is a test's
	if _, err := w.Write(line); err != nil {
		return false
	}
	return e.Type == api.EventState || out.Flush() == nil
}

// watchRequest reads what to watch from a query.
func watchRequest(q *query) (api.WatchRequest, error) {
	r := api.WatchRequest{
		Prefix: q.text("prefix"), Node: locator.NodeID(q.text("node")), Mode: api.WatchMode(q.text("mode")),
		From: api.Revision(q.number("from", false)),
	}
	if kinds := q.text("kind"); kinds != "" {
		for kind := range strings.SplitSeq(kinds, ",") {
			if len(r.Kinds) > len(api.RecordKinds) {
				break // Check will say so
			}
			r.Kinds = append(r.Kinds, api.RecordKind(kind))
		}
	}
	if err := q.check(); err != nil {
		return api.WatchRequest{}, err
	}
	return r, r.Check()
}

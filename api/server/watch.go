package server

import (
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
// of the same change are sent the same bytes, which are made once.
func (s *Server) watch(w http.ResponseWriter, r *http.Request) error {
	request, err := watchRequest(queryOf(r))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := http.NewResponseController(w)
	for event, err := range s.c.Registry.Watch(r.Context(), request) {
		if err != nil {
			if r.Context().Err() == nil {
				event.Type, event.Error = api.EventError, api.ErrorOf(err)
				s.sendLine(w, out, event) // last words
			}
			_ = out.SetWriteDeadline(time.Time{}) // the connection goes on; its next answer has time of its own
			return nil
		}
		if !s.sendLine(w, out, event) {
			return nil
		}
	}
	return nil
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

package server

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/grafnode/grafnode/api"
)

// watchStall is how long a watch waits for a reader that does not read, before it lets it go.
const watchStall = 10 * time.Second

// watch streams events, one a line, until the reader goes away, the registry says that the stream cannot go on, or the node
// stops. Each event is on its way before the next is asked for, but the state at the beginning goes out in large pieces.
func (s *Server) watch(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	prefix, from := q.text("prefix"), q.number("from", false)
	if err := q.check(); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := http.NewResponseController(w)
	lines := json.NewEncoder(w)
	for event, err := range s.c.Registry.Watch(r.Context(), prefix, api.Revision(from)) {
		if err != nil {
			if r.Context().Err() == nil {
				_ = out.SetWriteDeadline(time.Now().Add(watchStall))
				_ = lines.Encode(api.Event{Type: api.EventError, Error: api.ErrorOf(err)}) // last words
				_ = out.Flush()
				_ = out.SetWriteDeadline(time.Time{}) // the connection goes on; its next answer has time of its own
			}
			return nil
		}
		_ = out.SetWriteDeadline(time.Now().Add(watchStall)) // a writer without deadlines is a test's
		if lines.Encode(event) != nil {
			return nil
		}
		if event.Type != api.EventState && out.Flush() != nil {
			return nil
		}
	}
	return nil
}

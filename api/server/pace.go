package server

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// How long a connection may keep a handler waiting. A peer that sends or takes a little now and then is cut off all the same,
// except where the length of a stream is open: there only standing still counts.
const (
	bodyPatience  = 30 * time.Second // for a whole request body, or between two pieces of a streamed one
	writePatience = 30 * time.Second // for each piece of an answer to be taken
)

// pacedBody has a read deadline, which the server's own would set for watches and snapshots too. It takes it away at the
// end: from then on the server listens for the connection's end, and a deadline would look like one. A body that the handler
// leaves alone keeps its deadline while the server drops what comes of it.
type pacedBody struct {
	io.ReadCloser
	control  *http.ResponseController
	patience time.Duration
	streamed bool
}

func newPacedBody(body io.ReadCloser, control *http.ResponseController, patience time.Duration, streamed bool) *pacedBody {
	b := &pacedBody{ReadCloser: body, control: control, patience: patience, streamed: streamed}
	b.wait()
	return b
}

func (b *pacedBody) wait() {
	_ = b.control.SetReadDeadline(time.Now().Add(b.patience)) // a connection without deadlines is a test's
}

// Read reads.
func (b *pacedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		_ = b.control.SetReadDeadline(time.Time{})
	case b.streamed:
		b.wait()
	}
	return n, err
}

// pacedWriter sets a new deadline before each piece of an answer, its head among them, and notes the answer's status. The last deadline
// stays: what the server still has to send then has as long, and the next answer on the connection sets its own.
type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	status  int // zero until the answer has begun
}

func newPacedWriter(w http.ResponseWriter) *pacedWriter {
	return &pacedWriter{ResponseWriter: w, control: http.NewResponseController(w)}
}

// WriteHeader notes the status.
func (w *pacedWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.wait() // an answer may have no body
	w.ResponseWriter.WriteHeader(status)
}

// Write writes.
func (w *pacedWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.wait()
	return w.ResponseWriter.Write(b)
}

func (w *pacedWriter) wait() {
	_ = w.control.SetWriteDeadline(time.Now().Add(writePatience)) // as above
}

// statusWriter notes an answer's status, if that is said, and leaves the pace to who writes.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Unwrap lets http.ResponseController reach the connection.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

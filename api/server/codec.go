package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"github.com/grafnode/grafnode/api"
)

// bodyMax bounds a JSON request, in bytes: a checkpoint's value in base64 and the largest change fit well within.
const bodyMax = 1 << 20

// decode reads the one JSON value that r's body must be, strictly.
func decode(r *http.Request, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return api.Errorf(api.KindInvalid, "Content-Type is %q, must be application/json", r.Header.Get("Content-Type"))
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			return api.Errorf(api.KindInvalid, "request body is empty, must be JSON")
		}
		return api.Errorf(api.KindInvalid, "request body: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return api.Errorf(api.KindInvalid, "request body: more than one JSON value")
	}
	return nil
}

// readBody reads all of r's body, which MaxBytesReader bounds.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, api.Errorf(api.KindTooLarge, "request body is over %d bytes", large.Limit)
	case err != nil:
		return nil, api.Errorf(api.KindInvalid, "request body: %v", err)
	}
	return body, nil
}

func answer(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return api.Errorf(api.KindInternal, "encode the answer: %v", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // the client went away: nobody is left to tell
	return nil
}

func answerError(w http.ResponseWriter, err error) {
	e := api.ErrorOf(err)
	b, merr := json.Marshal(e)
	if merr != nil { // cannot be: two strings
		b = []byte(`{"kind":"internal","message":"an error that cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status())
	_, _ = w.Write(append(b, '\n'))
}

// query reads a request's parameters. It keeps the first error, so that a handler asks for all and checks once.
type query struct {
	values url.Values
	known  map[string]bool
	err    error
}

func queryOf(r *http.Request) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{values: values, known: map[string]bool{}}
	if err != nil {
		q.err = api.Errorf(api.KindInvalid, "query: %v", err)
	}
	return q
}

func (q *query) text(name string) string {
	q.known[name] = true
	if len(q.values[name]) > 1 && q.err == nil {
		q.err = api.Errorf(api.KindInvalid, "query parameter %q is given %d times", name, len(q.values[name]))
	}
	return q.values.Get(name)
}

// number returns a parameter's value; a missing one is an error only if it is required.
func (q *query) number(name string, required bool) uint64 {
	s := q.text(name)
	if s == "" && !required {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil && q.err == nil {
		q.err = api.Errorf(api.KindInvalid, "query parameter %q is %q, must be a whole number", name, s)
	}
	return n
}

func (q *query) consistency() api.Consistency {
	switch c := api.Consistency(q.text("consistency")); c {
	case "":
		return api.Default
	case api.Stale, api.Default, api.Strict:
		return c
	default:
		if q.err == nil {
			q.err = api.Errorf(api.KindInvalid, "consistency is %q, must be stale, default or strict", c)
		}
		return api.Strict
	}
}

// check returns the first error, among them that of a parameter nobody asked for: most likely a typing error.
func (q *query) check() error {
	for name := range q.values {
		if !q.known[name] && q.err == nil {
			q.err = api.Errorf(api.KindInvalid, "unknown query parameter %q", name)
		}
	}
	return q.err
}

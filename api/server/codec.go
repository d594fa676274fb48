package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/grafnode/grafnode/api"
)

// bodyMax bounds a JSON request, in bytes: a checkpoint's value in base64 and the largest change fit well within.
const bodyMax = 1 << 20

// decode reads the one JSON value that r's body must be, strictly.
func decode(r *http.Request, into any) error {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := params["charset"]; err != nil || kind != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return api.Errorf(api.KindInvalid, "Content-Type is %q, must be application/json, in UTF-8", r.Header.Get("Content-Type"))
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	if own, ok := into.(interface{ ReadPlain([]byte) bool }); ok && own.ReadPlain(body) {
		return nil // our own clients' form, in which checkJSON finds nothing
	}
	if err := checkJSON(body); err != nil {
		return api.Errorf(api.KindInvalid, "request body: %v", err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return api.Errorf(api.KindInvalid, "request body: %v", err)
	}
	return nil
}

// readBody reads all of r's body, which MaxBytesReader bounds.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		return body, nil
	}
	if wrong := bodyError(err); wrong != nil {
		return nil, wrong
	}
	return nil, api.Errorf(api.KindInvalid, "request body: %v", err)
}

// bodyError says what is wrong if a body could not be read, and nil if err is about something else.
func bodyError(err error) error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return api.Errorf(api.KindTooLarge, "request body is over %d bytes", large.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return api.Errorf(api.KindInvalid, "request body did not come within %v", bodyPatience)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return api.Errorf(api.KindInvalid, "request body was cut off")
	default:
		return nil
	}
}

func answer(w http.ResponseWriter, v any) error {
	var b []byte
	var err error
	if own, ok := v.(interface{ AppendJSON([]byte) ([]byte, error) }); ok {
		b, err = own.AppendJSON(make([]byte, 0, 1<<10))
	} else {
		b, err = json.Marshal(v)
	}
	if err != nil {
		return api.Errorf(api.KindInternal, "encode the answer: %v", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // the client went away: nobody is left to tell
	return nil
}

func answerError(w http.ResponseWriter, err error) { answerErrorAs(w, err, api.ErrorOf(err).Status()) }

func answerErrorAs(w http.ResponseWriter, err error, status int) {
	e := api.ErrorOf(err)
	b, merr := json.Marshal(e)
	if merr != nil { // cannot be: two strings
		b = []byte(`{"kind":"internal","message":"an error that cannot be encoded"}`)
	}
	if e.Kind == api.KindOverloaded {
		w.Header().Set("Retry-After", "1") // the least that the header can say
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
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
	value := q.values.Get(name)
	switch {
	case q.err != nil:
	case len(q.values[name]) > 1:
		q.err = api.Errorf(api.KindInvalid, "query parameter %q is given %d times", name, len(q.values[name]))
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		q.err = api.Errorf(api.KindInvalid, "query parameter %q is no text: %q", name, value)
	}
	return value
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

// flag returns whether a parameter is given as true.
func (q *query) flag(name string) bool {
	switch s := q.text(name); s {
	case "", "false":
		return false
	case "true":
		return true
	default:
		if q.err == nil {
			q.err = api.Errorf(api.KindInvalid, "query parameter %q is %q, must be true or false", name, s)
		}
		return false
	}
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

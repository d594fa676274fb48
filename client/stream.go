package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafnode/grafnode/api"
)

const (
	silenceMax = 3 * api.BookmarkEvery // then a watch stream is broken, whatever TCP thinks
	lineMax    = 1 << 20
)

var errSilent = fmt.Errorf("nothing heard for %v", silenceMax)

// Watch streams what q asks for from one node, as docs/api.md describes it. The sequence ends with exactly one error: ctx's cause,
// or why the stream broke; beside an error that the node sent is an event with the revision up to which it had sent everything.
// Breaking off the loop closes the stream.
func (a *API) Watch(ctx context.Context, q api.WatchRequest) iter.Seq2[api.Event, error] {
	return func(yield func(api.Event, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		silence := time.AfterFunc(silenceMax, func() { cancel(errSilent) })
		defer silence.Stop()
		r := get("/v1/watch", "")
		r.query = watchQuery(q)
		resp, err := a.send(ctx, r)
		if err != nil {
			yield(api.Event{}, err)
			return
		}
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, lineMax)
		for lines.Scan() {
			silence.Stop() // what the reader does with it takes as long as it takes
			e, err := decodeEvent(lines.Bytes())
			if err != nil {
				yield(api.Event{Type: api.EventError, Revision: e.Revision}, fmt.Errorf("%s: watch: %w", a.target, err))
				return
			}
			if !yield(e, nil) {
				return
			}
			silence.Reset(silenceMax)
		}
		err = lines.Err()
		if err == nil {
			err = io.EOF
		}
		yield(api.Event{}, a.broken(ctx, r, err))
	}
}

// watchQuery says in a query what q asks for. What is as by default is left out, so that a node of v0.1.0 understands the rest.
func watchQuery(q api.WatchRequest) url.Values {
	v := url.Values{"prefix": {q.Prefix}, "from": {strconv.FormatUint(uint64(q.From), 10)}}
	if q.Node != "" {
		v.Set("node", string(q.Node))
	}
	if q.Mode != "" && q.Mode != api.WatchLatest {
		v.Set("mode", string(q.Mode))
	}
	var kinds []string
	for _, k := range q.Kinds {
		kinds = append(kinds, string(k))
	}
	if len(kinds) > 0 && !slices.Equal(q.Kinds, []api.RecordKind{api.RecordEdge}) {
		v.Set("kind", strings.Join(kinds, ","))
	}
	return v
}

// decodeEvent reads one line of a watch stream. An error event is returned as its error too.
func decodeEvent(line []byte) (api.Event, error) {
	var e api.Event
	if err := json.Unmarshal(line, &e); err != nil {
		return api.Event{}, fmt.Errorf("%w: %w", api.ErrCorrupt, err)
	}
	if e.Type == api.EventError {
		if e.Error == nil {
			return e, fmt.Errorf("stream ended: %w", api.ErrUnavailable)
		}
		return e, e.Error
	}
	if err := e.Check(); err != nil {
		return api.Event{}, err
	}
	if e.Kind == "" { // of a node of v0.1.0
		e.Kind, _ = e.Record()
		e.Deleted = e.Edge != nil && e.Edge.Deleted
	}
	return e, nil
}

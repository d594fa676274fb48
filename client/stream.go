package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strconv"
	"time"

	"github.com/grafnode/grafnode/api"
)

const (
	silenceMax = 3 * api.BookmarkEvery // then a watch stream is broken, whatever TCP thinks
	lineMax    = 1 << 20
)

var errSilent = fmt.Errorf("nothing heard for %v", silenceMax)

// Watch streams the edges whose name begins with prefix from one node: with from zero first what is, then a sync, then what
// changes; else what changed after from. The sequence ends with exactly one error: ctx's cause, or why the stream
// broke. Breaking off the loop closes the stream.
func (a *API) Watch(ctx context.Context, prefix string, from api.Revision) iter.Seq2[api.Event, error] {
	return func(yield func(api.Event, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		silence := time.AfterFunc(silenceMax, func() { cancel(errSilent) })
		defer silence.Stop()
		r := get("/v1/watch", "")
		r.query = url.Values{"prefix": {prefix}, "from": {strconv.FormatUint(uint64(from), 10)}}
		resp, err := a.send(ctx, r)
		if err != nil {
			yield(api.Event{}, err)
			return
		}
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, lineMax)
		for lines.Scan() {
			silence.Reset(silenceMax)
			e, err := decodeEvent(lines.Bytes())
			if err != nil {
				yield(api.Event{}, fmt.Errorf("%s: watch: %w", a.target, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		err = lines.Err()
		if err == nil {
			err = io.EOF
		}
		yield(api.Event{}, a.broken(ctx, r, err))
	}
}

// decodeEvent reads one line of a watch stream. An error event is returned as its error.
func decodeEvent(line []byte) (api.Event, error) {
	var e api.Event
	if err := json.Unmarshal(line, &e); err != nil {
		return e, fmt.Errorf("%w: %w", api.ErrCorrupt, err)
	}
	switch e.Type {
	case api.EventSync, api.EventBookmark:
		return e, nil
	case api.EventState, api.EventChange:
		if e.Edge == nil {
			return e, fmt.Errorf("%s event without an edge: %w", e.Type, api.ErrCorrupt)
		}
		return e, nil
	case api.EventError:
		if e.Error == nil {
			return e, errors.Join(api.ErrUnavailable, errors.New("stream ended"))
		}
		return e, e.Error
	default:
		// From a newer node; a line that is not understood carries nothing that may be skipped silently.
		return e, fmt.Errorf("event of unknown type %q: %w", e.Type, api.ErrCorrupt)
	}
}

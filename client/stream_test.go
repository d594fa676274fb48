package client

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/watchstream"
)

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A stream that is open but says nothing for three bookmarks is broken; one that says bookmarks is not.
func TestSilentStreamIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := NewAPI("127.0.0.1:1", APIConfig{})
		require.NoError(t, err)
		const bookmarks = 10
		a.http.Transport = transport(func(r *http.Request) (*http.Response, error) {
			out, in := io.Pipe()
			go func() {
				for range bookmarks {
					time.Sleep(api.BookmarkEvery)
					io.WriteString(in, `{"type":"bookmark","revision":1}`+"\n")
				}
				<-r.Context().Done() // the host is gone: no more, and no end either
				in.CloseWithError(r.Context().Err())
			}()
			return &http.Response{StatusCode: http.StatusOK, Body: out}, nil
		})
		start, heard := time.Now(), 0
		for _, err := range a.Watch(context.Background(), api.WatchRequest{}) {
			if err != nil {
				require.ErrorIs(t, err, errSilent)
				require.ErrorIs(t, err, api.ErrUnavailable, "another node may know more")
				break
			}
			heard++
		}
		require.Equal(t, bookmarks, heard)
		require.Equal(t, bookmarks*api.BookmarkEvery+silenceMax, time.Since(start))
	})
}

// A reader that takes its time over an event does not make a stream silent that says what it has to.
func TestASlowReaderIsNotTheNodesSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bookmark = `{"type":"bookmark","revision":1}` + "\n"
		a, err := NewAPI("127.0.0.1:1", APIConfig{})
		require.NoError(t, err)
		a.http.Transport = transport(func(r *http.Request) (*http.Response, error) {
			out, in := io.Pipe()
			go func() {
				for _, err := io.WriteString(in, bookmark); err == nil; _, err = io.WriteString(in, bookmark) {
					time.Sleep(api.BookmarkEvery)
				}
			}()
			context.AfterFunc(r.Context(), func() { out.CloseWithError(r.Context().Err()) })
			return &http.Response{StatusCode: http.StatusOK, Body: out}, nil
		})
		heard := 0
		for _, err := range a.Watch(t.Context(), api.WatchRequest{}) {
			require.NoError(t, err)
			time.Sleep(2 * silenceMax)
			if heard++; heard == 3 {
				break
			}
		}
		time.Sleep(api.BookmarkEvery) // the node finds that nobody reads
	})
}

// Whatever a node sends, an event that comes through can be used without another look.
func FuzzDecodeEvent(f *testing.F) {
	f.Add([]byte(`{"type":"change","revision":3,"edge":{"name":"e"}}`))
	f.Add([]byte(`{"type":"change","revision":3,"kind":"lease","lease":{"id":"l"},"deleted":true}`))
	f.Add([]byte(`{"type":"error","revision":9,"error":{"kind":"gap","message":"m"}}`))
	f.Add([]byte(`{"type":"state","kind":"node","edge":{"name":"e"},"session":{}}`))
	f.Add([]byte(`{"type":"sync","revision":18446744073709551615,"resync":true}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := decodeEvent(line)
		if err != nil {
			return
		}
		kind, key := e.Record()
		switch e.Type {
		case api.EventState, api.EventChange:
			require.Equal(t, kind, e.Kind)
			require.NotEmpty(t, key)
		case api.EventSync, api.EventBookmark:
			require.Empty(t, kind)
		default:
			t.Fatalf("type %q went through", e.Type)
		}
		h := watchstream.NewHistory(api.WatchRequest{From: 1})
		_, _ = h.Take(e) // refused or not, it is survived
	})
}

func TestWatchQueriesAreAsOldNodesReadThem(t *testing.T) {
	for want, q := range map[string]api.WatchRequest{
		"from=0&prefix=":   {},
		"from=7&prefix=p.": {Prefix: "p.", From: 7, Mode: api.WatchLatest, Kinds: []api.RecordKind{api.RecordEdge}},
		"from=0&kind=edge%2Clease&mode=all&node=n&prefix=": {Node: "n", Mode: api.WatchAll, Kinds: []api.RecordKind{api.RecordEdge, api.RecordLease}},
	} {
		require.Equal(t, want, watchQuery(q).Encode())
	}
	e, err := decodeEvent([]byte(`{"type":"change","revision":3,"edge":{"name":"e","deleted":true}}`))
	require.NoError(t, err)
	require.True(t, e.Deleted, "as v0.1.0 says it")
}

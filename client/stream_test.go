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

func FuzzDecodeEvent(f *testing.F) {
	f.Add([]byte(`{"type":"change","revision":3,"edge":{"name":"e"}}`))
	f.Add([]byte(`{"type":"error","error":{"kind":"unavailable","message":"m"}}`))
	f.Add([]byte(`{"type":"state"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := decodeEvent(line)
		if err != nil {
			return
		}
		switch e.Type {
		case api.EventState, api.EventChange:
			require.NotNil(t, e.Edge)
		case api.EventSync, api.EventBookmark:
		default:
			t.Fatalf("type %q went through", e.Type)
		}
	})
}

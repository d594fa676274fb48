package client

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
)

// counting is a server that counts its connections.
type counting struct {
	*httptest.Server
	mu    sync.Mutex
	conns int
}

func serve(t *testing.T, h http.HandlerFunc) (*counting, *API) { return serveAs(t, h, false) }

func serveAs(t *testing.T, h http.HandlerFunc, secured bool) (*counting, *API) {
	s := &counting{Server: httptest.NewUnstartedServer(h)}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.mu.Lock()
			s.conns++
			s.mu.Unlock()
		}
	}
	c := APIConfig{Timeout: 10 * time.Second}
	if secured {
		s.StartTLS()
		c.TLS = func() *tls.Config {
			return &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com"}
		}
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	a, err := NewAPI(s.Listener.Addr().String(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return s, a
}

func (s *counting) made() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

func TestConnectionsAreKept(t *testing.T) {
	s, a := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch r.URL.Query().Get("as") {
		case "chunks":
			_, _ = w.Write(b[:1])
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(b[1:])
		case "refusal":
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `{"kind":"conflict","message":"no"}`)
		default:
			w.Header().Set(api.HeaderLeader, r.Host)
			_, _ = w.Write(b)
		}
	})
	heard := ""
	a.leader = func(address string) { heard = address }
	for _, as := range []string{"", "chunks", "refusal", ""} {
		got, err := a.exchange(t.Context(), request{method: http.MethodPut, path: "/echo?as=" + as, raw: []byte("body")})
		if as == "refusal" {
			require.ErrorIs(t, err, api.ErrConflict)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, "body", string(got))
	}
	require.Equal(t, 1, s.made())
	require.Equal(t, s.Listener.Addr().String(), heard)

	large := strings.Repeat("x", small+1) // goes the other way
	got, err := a.exchange(t.Context(), request{method: http.MethodPut, path: "/echo", raw: []byte(large)})
	require.NoError(t, err)
	require.Equal(t, large, string(got))

	_, err = a.exchange(t.Context(), request{method: http.MethodPut, path: "/echo", raw: []byte("body"), max: 3})
	require.ErrorIs(t, err, api.ErrTooLarge)
}

// A node that was restarted has closed what was kept; the next request must not pay for that with an unknown outcome.
func TestAClosedConnectionIsNotUsed(t *testing.T) {
	for name, secured := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			s, a := serveAs(t, func(http.ResponseWriter, *http.Request) {}, secured)
			ask := func() error {
				_, err := a.exchange(t.Context(), request{method: http.MethodPost, path: "/"})
				return err
			}
			require.NoError(t, ask())
			kept := a.wire.idle[0].Conn
			if c, ok := kept.(*tls.Conn); ok {
				kept = c.NetConn()
			}
			s.CloseClientConnections()
			require.Eventually(t, func() bool { return !open(kept) }, 10*time.Second, time.Millisecond)
			require.NoError(t, ask())
			require.NoError(t, ask())
			require.Equal(t, 2, s.made())
			require.Len(t, a.wire.idle, 1)
		})
	}
}

func TestAnEndedContextEndsTheExchange(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	_, a := serve(t, func(http.ResponseWriter, *http.Request) {
		close(began)
		<-release
	})
	defer close(release)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	go func() {
		<-began
		cancel(why)
	}()
	_, err := a.exchange(ctx, request{method: http.MethodPost, path: "/"})
	require.ErrorIs(t, err, api.ErrUnknown)
	require.ErrorIs(t, err, why)
	require.Empty(t, a.wire.idle)
}

func TestWhatWasNotSentDidNotHappen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	a, err := NewAPI(l.Addr().String(), APIConfig{})
	require.NoError(t, err)
	_, err = a.exchange(t.Context(), request{method: http.MethodPost, path: "/"})
	require.ErrorIs(t, err, api.ErrUnavailable)
	require.NotErrorIs(t, err, api.ErrUnknown)
}

// Whatever a node answers, it costs no more memory than is there, and never a panic.
func FuzzAnswers(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n{}")
	f.Add("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
	f.Add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n")
	f.Fuzz(func(t *testing.T, answer string) {
		ours, theirs := net.Pipe()
		go func() {
			b := make([]byte, 1<<10)
			_, _ = theirs.Read(b)
			_, _ = io.WriteString(theirs, answer)
			_ = theirs.Close()
		}()
		w := &wire{host: "node", dial: func(context.Context) (net.Conn, error) { return ours, nil }}
		a, err := w.exchange(t.Context(), http.MethodGet, "/", nil, nil, 1<<10)
		if err == nil {
			require.LessOrEqual(t, len(a.body), 1<<10+1)
		}
		w.close()
	})
}

func TestLineBreaksDoNotReachTheHead(t *testing.T) {
	w := &wire{host: "node"}
	b := w.request(nil, http.MethodPost, "/x", [][2]string{{"A", "1"}, {"B", "2\r\nC: 3"}}, []byte("body"))
	require.Equal(t, "POST /x HTTP/1.1\r\nHost: node\r\nA: 1\r\nContent-Length: 4\r\n\r\nbody", string(b))
}

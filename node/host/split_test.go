package host_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/node/host"
)

func openSplit(t testing.TB, path string) (*host.Split, func() net.Conn) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	s := host.NewSplit(l, slog.New(slog.DiscardHandler))
	s.Open()
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, func() net.Conn {
		c, err := net.Dial("unix", path)
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
}

func TestSplitServesBothProtocols(t *testing.T) {
	s, dial := openSplit(t, socketPath(t))
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })}
	done := make(chan struct{})
	go func() { defer close(done); web.Serve(s.HTTP()) }()
	defer func() { web.Close(); s.Close(); <-done }()

	session := dial()
	_, err := io.WriteString(session, api.PrefaceSession[:5]) // in two pieces
	require.NoError(t, err)
	_, err = io.WriteString(session, api.PrefaceSession[5:]+"frame")
	require.NoError(t, err)
	got, err := s.Sessions().Accept()
	require.NoError(t, err)
	defer got.Close()
	b := make([]byte, 5)
	_, err = io.ReadFull(got, b)
	require.NoError(t, err)
	require.Equal(t, "frame", string(b), "nothing behind the preface was read")

	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return dial(), nil },
	}}
	resp, err := client.Get("http://node/v1/status")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "/v1/status", string(body), "and from the first byte")
}

// Close does not wait for peers that say nothing, nor for connections that nobody accepts.
func TestSplitCloses(t *testing.T) {
	s, dial := openSplit(t, socketPath(t))
	silent, unaccepted := dial(), dial()
	_, err := io.WriteString(unaccepted, api.PrefaceSession)
	require.NoError(t, err)
	_, err = io.WriteString(silent, "G") // may still become either
	require.NoError(t, err)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-time.After(patience):
		t.Fatal("Close waits")
	}
	for _, c := range []net.Conn{silent, unaccepted} {
		_, err := io.ReadAll(c)
		if err != nil {
			require.NotErrorIs(t, err, io.EOF)
		}
	}
	_, err = s.HTTP().Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

// Until the node is registered nobody accepts sessions. Stages come, wait, give up and come again, and must not keep out who asks why.
func TestStagesThatWaitKeepNobodyOut(t *testing.T) {
	const more = 300 // than may be unsorted
	s, dial := openSplit(t, socketPath(t))
	asked := make(chan net.Conn, 1)
	go func() {
		c, err := s.HTTP().Accept()
		if err == nil {
			asked <- c
		}
	}()
	for range more {
		stage := dial()
		_, err := io.WriteString(stage, api.PrefaceSession)
		require.NoError(t, err)
		require.NoError(t, stage.Close())
	}
	_, err := io.WriteString(dial(), "GET / HTTP/1.1\r\n")
	require.NoError(t, err)
	select {
	case c := <-asked:
		require.NoError(t, c.Close())
	case <-time.After(patience):
		t.Fatal("HTTP is not accepted while stages wait")
	}
}

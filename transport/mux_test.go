package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/tcpconn"
	"github.com/grafnode/grafnode/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T, cfg transport.Config) *transport.Mux {
	t.Helper()
	cfg.Address = "127.0.0.1:0"
	cfg.Logger = slog.New(slog.DiscardHandler)
	m, err := transport.Listen(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

func rawDial(t *testing.T, m *transport.Mux) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", m.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// requireCut waits until the far end has cut c.
func requireCut(t *testing.T, c net.Conn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(30*time.Second)))
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	var timeout net.Error
	require.False(t, errors.As(err, &timeout) && timeout.Timeout(), "still open")
}

func TestDataAndRaftAreToldApartByPreface(t *testing.T) {
	m := listen(t, transport.Config{})
	for preface, l := range map[string]net.Listener{api.PrefaceRaft: m.Raft(), api.PrefaceData: m.Data()} {
		c, err := tcpconn.Dial(t.Context(), m.Addr().String(), preface)
		require.NoError(t, err)
		_, err = c.Write([]byte("hello"))
		require.NoError(t, err)
		require.NoError(t, c.Close())

		peer, err := l.Accept()
		require.NoError(t, err)
		got, err := io.ReadAll(peer)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got), preface)
		require.NoError(t, peer.Close())
	}
}

// A preface may come in any pieces, and what follows it in one of them is not lost.
func TestPrefaceInPieces(t *testing.T) {
	m := listen(t, transport.Config{})
	c := rawDial(t, m)
	for _, b := range []byte(api.PrefaceData + "x") {
		_, err := c.Write([]byte{b})
		require.NoError(t, err)
	}
	peer, err := m.Data().Accept()
	require.NoError(t, err)
	defer peer.Close()
	got := make([]byte, 1)
	_, err = io.ReadFull(peer, got)
	require.NoError(t, err)
	require.Equal(t, "x", string(got))
}

func TestHTTPKeepsItsFirstBytes(t *testing.T) {
	m := listen(t, transport.Config{})
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.Path, body)
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(m.HTTP()) }()

	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, method := range []string{"GET", "POST", "DELETE"} { // GET begins as the prefaces do
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+m.Addr().String()+"/G", http.NoBody)
		require.NoError(t, err)
		resp, err := client.Do(r)
		require.NoError(t, err)
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, method+" /G ", string(got))
	}
	require.NoError(t, server.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
}

func TestSlowLorisIsCut(t *testing.T) {
	m := listen(t, transport.Config{PrefaceTimeout: 50 * time.Millisecond})
	silent, slow := rawDial(t, m), rawDial(t, m)
	_, err := slow.Write([]byte(api.PrefaceData[:5]))
	require.NoError(t, err)
	requireCut(t, silent)
	requireCut(t, slow)
	require.EqualValues(t, 2, m.Stats().Late)
}

func TestUnacceptedIsCut(t *testing.T) {
	m := listen(t, transport.Config{PrefaceTimeout: 50 * time.Millisecond})
	c, err := tcpconn.Dial(t.Context(), m.Addr().String(), api.PrefaceData)
	require.NoError(t, err)
	defer c.Close()
	requireCut(t, c)
}

// Whoever opens many connections and says nothing does not keep an honest peer out.
func TestOldestSilentConnectionMakesRoom(t *testing.T) {
	m := listen(t, transport.Config{PrefaceTimeout: time.Hour, NewConnsMax: 8})
	var silent []net.Conn
	for range 50 {
		silent = append(silent, rawDial(t, m))
	}
	c, err := tcpconn.Dial(t.Context(), m.Addr().String(), api.PrefaceData)
	require.NoError(t, err)
	defer c.Close()
	peer, err := m.Data().Accept()
	require.NoError(t, err)
	defer peer.Close()
	for _, s := range silent[:40] {
		requireCut(t, s)
	}
	require.LessOrEqual(t, m.Stats().Open, 9)
	require.GreaterOrEqual(t, m.Stats().Evicted, uint64(42))
}

// acceptProven takes the next data connection, whose other end shows who it is.
func acceptProven(t *testing.T, m *transport.Mux) net.Conn {
	t.Helper()
	c, err := m.Data().Accept()
	require.NoError(t, err)
	c.(interface{ Proven() }).Proven()
	return c
}

func TestTotalIsBounded(t *testing.T) {
	m := listen(t, transport.Config{ConnsMax: 3, PeerConnsMax: 3})
	dial := func() {
		c, err := tcpconn.Dial(t.Context(), m.Addr().String(), api.PrefaceData)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		acceptProven(t, m)
	}
	for range 3 {
		dial()
	}
	requireCut(t, rawDial(t, m))
	require.EqualValues(t, 1, m.Stats().Refused)

	m.Limit(4, 4)
	dial()
	m.Limit(2, 1) // who is there stays
	requireCut(t, rawDial(t, m))
	require.Equal(t, 4, m.Stats().Open)
	m.Limit(5, 5)
	dial()
}

func TestManyConnectionsOfAllKinds(t *testing.T) {
	m := listen(t, transport.Config{})
	garbage := [][]byte{{}, {0}, []byte("G"), []byte("GRAFNODE-RAFT/2\n"), make([]byte, 4096), []byte("\x16\x03\x01")}
	var accepting sync.WaitGroup
	var accepted [2]int
	for i, l := range []net.Listener{m.Data(), m.HTTP()} {
		accepting.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				accepted[i]++
				_ = c.Close()
			}
		})
	}
	var dialling sync.WaitGroup
	for i := range 16 {
		dialling.Go(func() {
			for j := range 20 {
				if j%4 == 0 {
					c, err := tcpconn.Dial(t.Context(), m.Addr().String(), api.PrefaceData)
					if err == nil {
						_, _ = io.Copy(io.Discard, c)
						_ = c.Close()
					}
					continue
				}
				c, err := net.Dial("tcp", m.Addr().String())
				if err == nil {
					_, _ = c.Write(garbage[(i+j)%len(garbage)])
					_ = c.Close()
				}
			}
		})
	}
	dialling.Wait()
	require.NoError(t, m.Close())
	accepting.Wait()
	require.Equal(t, 16*5, accepted[0])
	require.Positive(t, accepted[1])
	require.Zero(t, m.Stats().Open)
}

func TestCloseCutsEverything(t *testing.T) {
	m := listen(t, transport.Config{PrefaceTimeout: time.Hour})
	accepted, err := tcpconn.Dial(t.Context(), m.Addr().String(), api.PrefaceData)
	require.NoError(t, err)
	defer accepted.Close()
	_, err = m.Data().Accept()
	require.NoError(t, err)
	waiting, err := tcpconn.Dial(t.Context(), m.Addr().String(), api.PrefaceRaft)
	require.NoError(t, err)
	defer waiting.Close()
	fresh := rawDial(t, m)

	require.NoError(t, m.Close())
	require.NoError(t, m.Close())
	for _, c := range []net.Conn{accepted, waiting, fresh} {
		requireCut(t, c)
	}
	_, err = m.HTTP().Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = m.Raft().Dial("127.0.0.1:1", time.Second)
	require.Error(t, err)
}

// Raft's own transport over two muxes: a request and its answer.
func TestRaftLayer(t *testing.T) {
	a, b := listen(t, transport.Config{}), listen(t, transport.Config{})
	ta := raft.NewNetworkTransport(a.Raft(), 2, 5*time.Second, io.Discard)
	tb := raft.NewNetworkTransport(b.Raft(), 2, 5*time.Second, io.Discard)
	defer func() { require.NoError(t, errors.Join(ta.Close(), tb.Close())) }()
	require.Equal(t, a.Addr().String(), string(ta.LocalAddr()))

	answered := make(chan struct{})
	go func() {
		defer close(answered)
		rpc := <-tb.Consumer()
		rpc.Respond(&raft.RequestVoteResponse{Term: 7, Granted: true}, nil)
	}()
	var resp raft.RequestVoteResponse
	err := ta.RequestVote("b", raft.ServerAddress(b.Addr().String()), &raft.RequestVoteRequest{Term: 7}, &resp)
	require.NoError(t, err)
	require.True(t, resp.Granted)
	<-answered
}

// A connection dialled for Raft is cut by Close, so that a handler blocked on it ends.
func TestCloseCutsDialled(t *testing.T) {
	a, b := listen(t, transport.Config{}), listen(t, transport.Config{})
	c, err := a.Raft().Dial(raft.ServerAddress(b.Addr().String()), time.Second)
	require.NoError(t, err)
	require.NoError(t, a.Close())
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestConfigErrorsSayWhatToDo(t *testing.T) {
	for want, cfg := range map[string]transport.Config{
		"want host:port":    {Address: "nonsense"},
		"say which one":     {Address: ":7000"},
		"say which":         {Address: "0.0.0.0:7000"},
		"want ip:port":      {Address: "0.0.0.0:7000", Advertise: "0.0.0.0:7000"},
		"1 of one peer":     {Address: "127.0.0.1:0", ConnsMax: 1, PeerConnsMax: 1, NewConnsMax: 2},
		"no more than all":  {Address: "127.0.0.1:0", ConnsMax: 1, NewConnsMax: 2},
		"transport: listen": {Address: "203.0.113.1:1"},
	} {
		_, err := transport.Listen(cfg)
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, transport.Config{Address: "0.0.0.0:7000", Advertise: "10.0.0.1:7000"}.Validate())
}

func TestDialFailsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := tcpconn.Dial(ctx, "127.0.0.1:1", api.PrefaceData)
	require.Error(t, err)
}

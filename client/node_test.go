package client_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/internal/fdconn"
	"github.com/grafnode/grafnode/lease"
)

const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeNode answers HTTP by its routes, on a Unix socket or a TCP address, and on the former plays the node's end of a
// session that never ends by itself.
type fakeNode struct {
	t     *testing.T
	mux   *http.ServeMux
	web   *httptest.Server
	peers []string

	mu    sync.Mutex
	mute  bool // beats are not answered
	lines []*net.UnixConn
	ids   int
}

func newFake(t *testing.T, peers ...*fakeNode) *fakeNode {
	f := &fakeNode{t: t, mux: http.NewServeMux()}
	var nodes []api.Node
	for _, p := range peers {
		f.peers = append(f.peers, p.address())
		nodes = append(nodes, api.Node{ID: "peer", Address: p.address()})
	}
	f.mux.HandleFunc("GET /v1/nodes", func(w http.ResponseWriter, _ *http.Request) { give(w, nodes) })
	f.web = httptest.NewUnstartedServer(f.mux)
	t.Cleanup(f.web.Close)
	return f
}

// onTCP is another node.
func onTCP(t *testing.T) *fakeNode {
	f := newFake(t)
	f.web.Start()
	return f
}

// onSocket is the own node, with those peers.
func onSocket(t *testing.T, peers ...*fakeNode) (*fakeNode, string) {
	f := newFake(t, peers...)
	path := filepath.Join(t.TempDir(), "node.sock")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	f.web.Listener.Close()
	f.web.Listener = &sorter{Listener: l, node: f}
	f.web.Start()
	t.Cleanup(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, c := range f.lines {
			c.Close()
		}
	})
	return f, path
}

func (f *fakeNode) address() string { return strings.TrimPrefix(f.web.URL, "http://") }

// sorter keeps session connections from the web server.
type sorter struct {
	net.Listener
	node *fakeNode
}

func (s *sorter) Accept() (net.Conn, error) {
	for {
		c, err := s.Listener.Accept()
		if err != nil {
			return nil, err
		}
		first := make([]byte, 2)
		if _, err := io.ReadFull(c, first); err != nil {
			c.Close()
			continue
		}
		if string(first) != api.PrefaceSession[:2] {
			return &replayed{Conn: c, first: first}, nil
		}
		if _, err := io.ReadFull(c, make([]byte, len(api.PrefaceSession)-2)); err == nil {
			go s.node.session(c.(*net.UnixConn))
		}
	}
}

type replayed struct {
	net.Conn
	first []byte
}

func (r *replayed) Read(b []byte) (int, error) {
	if len(r.first) > 0 {
		n := copy(b, r.first)
		r.first = r.first[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}

func (f *fakeNode) session(sock *net.UnixConn) {
	defer sock.Close()
	f.mu.Lock()
	f.lines = append(f.lines, sock)
	f.mu.Unlock()
	conn := fdconn.New(sock, fdconn.Config{FrameMax: api.SessionFrameMax})
	for {
		var m api.SessionMessage
		files, err := conn.Receive(&m)
		if err != nil {
			return
		}
		fdconn.CloseFiles(files)
		f.mu.Lock()
		mute := f.mute
		answer := api.SessionMessage{Seq: m.Seq}
		switch deadline := boottime.Now().Add(lease.TTLMin); {
		case m.Hello != nil && m.Hello.Session != "":
			answer.Error = api.Errorf(api.KindSession, "gone")
		case m.Hello != nil:
			f.ids++
			answer.Welcome = &api.Welcome{
				Session: lease.SessionID("session-" + string(rune('0'+f.ids))), Token: "secret", Node: "own", Deadline: deadline, Addresses: f.peers,
			}
		case m.Beat != nil:
			answer.Beat = &api.Beat{Deadline: deadline}
		default:
			answer.Error = api.Errorf(api.KindUnavailable, "not played")
		}
		f.mu.Unlock()
		if m.Beat == nil || !mute {
			conn.Send(answer)
		}
	}
}

// hangUp breaks all session connections.
func (f *fakeNode) hangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.lines {
		c.Close()
	}
	f.lines = nil
}

func give(w http.ResponseWriter, v any) { json.NewEncoder(w).Encode(v) }

func refuse(w http.ResponseWriter, kind api.Kind) {
	e := api.Errorf(kind, "refused as %s", kind)
	w.WriteHeader(e.Status())
	give(w, e)
}

func dial(t *testing.T, socket string) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), client.Config{
		Socket: socket, Stage: "test", TTL: lease.TTLMin, TryTimeout: time.Second, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

package client_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

func TestDialTeaches(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for want, config := range map[string]client.Config{
		"there is no such socket": {Stage: "s", Socket: filepath.Join(t.TempDir(), "none")},
		"nobody listens":          {Stage: "s", Socket: file},
		`"a b" is not a name`:     {Stage: "a b", Socket: file},
		"lease term out of range": {Stage: "s", Socket: file, TTL: time.Millisecond},
	} {
		_, err := client.Dial(t.Context(), config)
		require.ErrorContains(t, err, want)
	}
	_, err := client.NewAPI("nonsense", client.APIConfig{})
	require.ErrorContains(t, err, "give host:port, such as 127")
}

func lost(t *testing.T, s lease.Session) {
	t.Helper()
	select {
	case <-s.Lost:
	case <-time.After(patience):
		t.Fatal("session not lost")
	}
}

// A node that still holds the connection but says nothing cannot keep a session alive.
func TestSilentNodeLosesTheSession(t *testing.T) {
	node, socket := onSocket(t)
	node.mute = true
	c := dial(t, socket)
	s, err := c.Session(t.Context())
	require.NoError(t, err)
	again, err := c.Session(t.Context())
	require.NoError(t, err)
	require.Equal(t, s.ID, again.ID, "one session at a time")
	lost(t, s)
}

func TestBeatsKeepTheSession(t *testing.T) {
	_, socket := onSocket(t)
	s, err := dial(t, socket).Session(t.Context())
	require.NoError(t, err)
	select {
	case <-s.Lost:
		t.Fatal("lost")
	case <-time.After(lease.TTLMin + lease.TTLMin/2): // the one thing to wait for is the deadline that must not strike
	}
}

// A node that refuses to take the session up again has ended it; the next call gets a new one.
func TestRefusedReturnLosesTheSession(t *testing.T) {
	node, socket := onSocket(t)
	c := dial(t, socket)
	s, err := c.Session(t.Context())
	require.NoError(t, err)
	node.hangUp()
	lost(t, s)
	next, err := c.Session(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, s.ID, next.ID)
}

func TestSessionWaitsForTheNode(t *testing.T) {
	node, socket := onSocket(t)
	c := dial(t, socket)
	node.web.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Session(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, api.ErrUnavailable, "and says why it waited")
}

// record is a plausible record.
func record(name string, generation fence.Epoch, revision api.Revision) api.Edge {
	return api.Edge{Name: name, Generation: generation, Revision: revision, Locator: locator.Locator{
		Kind: locator.Queue, Node: "n", Address: "127.0.0.1:1", Arena: "a", Generation: generation, Bytes: 1,
	}}
}

// While the own node is away the others are asked; while all are, the last known locator is returned.
func TestOtherNodesAnswer(t *testing.T) {
	other := onTCP(t)
	other.mux.HandleFunc("GET /v1/edges/e", func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "session-1", r.Header.Get(api.HeaderSession))
		require.Equal(t, "secret", r.Header.Get(api.HeaderToken))
		give(w, record("e", 4, 9))
	})
	own, socket := onSocket(t, other)
	own.mux.HandleFunc("GET /v1/edges/e", func(w http.ResponseWriter, _ *http.Request) { refuse(w, api.KindNoQuorum) })
	c := dial(t, socket)
	_, err := c.Session(t.Context())
	require.NoError(t, err)
	e, err := c.Edge(t.Context(), "e")
	require.NoError(t, err)
	require.EqualValues(t, 4, e.Generation)

	other.web.Close()
	_, err = c.Edge(t.Context(), "e")
	require.True(t, client.Elsewhere(err), "%v", err)
	l, err := c.Locator(t.Context(), "e")
	require.NoError(t, err)
	require.Equal(t, e.Locator, l)
	_, err = c.Locator(t.Context(), "f")
	require.Error(t, err, "nothing is made up")
}

// Leadership is handed on while requests come: none of them fails for it.
func TestAHandoverIsWaitedFor(t *testing.T) {
	own, socket := onSocket(t)
	var asked atomic.Int32
	noLeader := func(w http.ResponseWriter) bool {
		if asked.Add(1)%6 == 0 {
			return false
		}
		refuse(w, api.KindNoQuorum)
		return true
	}
	own.mux.HandleFunc("GET /v1/edges/e", func(w http.ResponseWriter, _ *http.Request) {
		if !noLeader(w) {
			give(w, record("e", 4, 9))
		}
	})
	own.mux.HandleFunc("POST /v1/checkpoints/k", func(w http.ResponseWriter, _ *http.Request) {
		if !noLeader(w) {
			give(w, api.Checkpoint{Key: "k", Epoch: 1})
		}
	})
	c := dial(t, socket)
	_, err := c.Edge(t.Context(), "e")
	require.NoError(t, err)
	_, err = c.UpdateCheckpoint(t.Context(), "k", api.CheckpointRequest{Epoch: 1})
	require.NoError(t, err)
	require.EqualValues(t, 12, asked.Load())
}

func TestRefusalsKeepTheirKind(t *testing.T) {
	own, socket := onSocket(t)
	var kind api.Kind
	own.mux.HandleFunc("GET /v1/edges/e", func(w http.ResponseWriter, _ *http.Request) { refuse(w, kind) })
	c := dial(t, socket)
	for k, want := range map[api.Kind]error{
		api.KindNotFound: api.ErrNotFound, api.KindFenced: fence.ErrFenced, api.KindRevoked: lease.ErrRevoked,
		"from a newer node": api.ErrInternal,
	} {
		kind = k
		_, err := c.Edge(t.Context(), "e")
		require.ErrorIs(t, err, want)
	}
}

// A node that accepts and says nothing is not waited for: the next one is asked as well, and first from then on.
func TestSilentNodeDelaysLittle(t *testing.T) {
	other := onTCP(t)
	other.mux.HandleFunc("GET /v1/edges/e", func(w http.ResponseWriter, _ *http.Request) { give(w, record("e", 4, 9)) })
	own, socket := onSocket(t, other)
	asked := 0
	own.mux.HandleFunc("GET /v1/edges/e", func(_ http.ResponseWriter, r *http.Request) {
		asked++
		<-r.Context().Done() // which is when the answer came from elsewhere
	})
	c := dial(t, socket)
	for range 5 {
		e, err := c.Edge(t.Context(), "e")
		require.NoError(t, err)
		require.EqualValues(t, 4, e.Generation)
	}
	require.Equal(t, 1, asked)
}

func TestEndedContextsAskNobody(t *testing.T) {
	_, socket := onSocket(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := dial(t, socket).Edge(ctx, "e")
	require.ErrorIs(t, err, context.Canceled)
}

package client_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// changes is a leader that answers changes by a script and notes what it was asked.
type changes struct {
	mu     sync.Mutex
	script []func(http.ResponseWriter)
	asked  []api.ChangeRequest
}

func (c *changes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var q api.ChangeRequest
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		refuse(w, api.KindInvalid)
		return
	}
	step := min(len(c.asked), len(c.script)-1)
	c.asked = append(c.asked, q)
	c.script[step](w)
}

func kind(k api.Kind) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { refuse(w, k) }
}

func hangUp(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func applied(w http.ResponseWriter) {
	give(w, api.ChangeResponse{Revision: 7, Edges: []api.Edge{record("e", 2, 7)}})
}

func withChanges(t *testing.T, script ...func(http.ResponseWriter)) (*changes, *client.Client) {
	own, socket := onSocket(t)
	c := &changes{script: script}
	own.mux.Handle("POST /v1/changes", c)
	return c, dial(t, socket)
}

// Whatever becomes of the answers, the change is asked for under one name until it is known.
func TestChangeResolvesUnknownOutcomes(t *testing.T) {
	leader, c := withChanges(t, kind(api.KindNoQuorum), hangUp, kind(api.KindUnknown), kind(api.KindUnavailable), applied)
	edges, err := c.Change(t.Context(), api.ChangeRequest{Reason: api.ReasonTakeover})
	require.NoError(t, err)
	require.EqualValues(t, 2, edges[0].Generation)
	require.Len(t, leader.asked, 5)
	for _, q := range leader.asked {
		require.Equal(t, leader.asked[0], q)
		require.NotEmpty(t, q.OpID)
		require.EqualValues(t, "session-1", q.Session)
	}
}

func TestChangeReturnsTheRegistrysAnswer(t *testing.T) {
	for k, want := range map[api.Kind]error{
		api.KindConflict: api.ErrConflict, api.KindNoRoom: api.ErrNoRoom, api.KindCodec: api.ErrCodec, api.KindSession: api.ErrSessionLost,
	} {
		leader, c := withChanges(t, kind(k))
		_, err := c.Change(t.Context(), api.ChangeRequest{})
		require.ErrorIs(t, err, want)
		require.Len(t, leader.asked, 1)
	}
}

func TestChangeEndsWithItsContextOrSession(t *testing.T) {
	_, c := withChanges(t, kind(api.KindNoQuorum))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Change(ctx, api.ChangeRequest{})
	require.ErrorIs(t, err, context.DeadlineExceeded)

	own, socket := onSocket(t)
	own.mute = true
	own.mux.HandleFunc("POST /v1/changes", func(w http.ResponseWriter, _ *http.Request) { refuse(w, api.KindNoQuorum) })
	c = dial(t, socket)
	s, err := c.Session(t.Context())
	require.NoError(t, err)
	_, err = c.Change(t.Context(), api.ChangeRequest{Session: s.ID})
	require.ErrorIs(t, err, api.ErrSessionLost)
}

func TestCheckpointsAndLeases(t *testing.T) {
	own, socket := onSocket(t)
	own.mux.HandleFunc("POST /v1/checkpoints/{key}", func(w http.ResponseWriter, r *http.Request) {
		var q api.CheckpointRequest
		require.NoError(t, json.NewDecoder(r.Body).Decode(&q))
		give(w, api.Checkpoint{Key: r.PathValue("key"), Epoch: q.Epoch, Value: q.Value})
	})
	own.mux.HandleFunc("POST /v1/leases", func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "session-1", r.Header.Get(api.HeaderSession))
		give(w, lease.Grant{ID: "l", Kind: lease.KindMemory, Bytes: 5})
	})
	c := dial(t, socket)
	const key = "p/stage?x" // keys are anybody's choice
	p, err := c.UpdateCheckpoint(t.Context(), key, api.CheckpointRequest{Epoch: 3, Write: true, Value: []byte("v")})
	require.NoError(t, err)
	require.Equal(t, api.Checkpoint{Key: key, Epoch: 3, Value: []byte("v")}, p)
	_, err = c.UpdateCheckpoint(t.Context(), key, api.CheckpointRequest{Value: make([]byte, api.CheckpointBytesMax+1)})
	require.ErrorIs(t, err, api.ErrTooLarge)

	g, err := lease.Memory().MinBytes(5).Acquire(t.Context(), c)
	require.NoError(t, err)
	require.EqualValues(t, "l", g.ID)
	_, err = c.Blocks(g)
	require.ErrorContains(t, err, "not a block region")
}

func TestBlocks(t *testing.T) {
	holder := onTCP(t)
	region := make([]byte, 8)
	number := func(r *http.Request, name string) int {
		n, err := strconv.Atoi(r.URL.Query().Get(name))
		require.NoError(t, err)
		return n
	}
	holder.mux.HandleFunc("GET /v1/blocks/l", func(w http.ResponseWriter, r *http.Request) {
		w.Write(region[number(r, "offset"):][:min(number(r, "bytes"), 6)]) // more than six come short
	})
	holder.mux.HandleFunc("PUT /v1/blocks/l", func(w http.ResponseWriter, r *http.Request) {
		if number(r, "epoch") < 3 {
			refuse(w, api.KindFenced)
			return
		}
		io.ReadFull(r.Body, region[number(r, "offset"):][:number(r, "bytes")])
	})
	holder.mux.HandleFunc("POST /v1/blocks/l/fence", func(_ http.ResponseWriter, r *http.Request) { require.Equal(t, 3, number(r, "epoch")) })
	_, socket := onSocket(t)
	c := dial(t, socket)
	b, err := c.Blocks(lease.Grant{ID: "l", Kind: lease.KindBlock, Bytes: 8, Locator: locator.Locator{Kind: locator.Block, Address: holder.address()}})
	require.NoError(t, err)
	require.EqualValues(t, 8, b.Size())
	ctx := t.Context()
	require.NoError(t, b.Fence(ctx, 3))
	require.NoError(t, b.WriteAt(ctx, 3, 1, []byte("abc"), 2))
	require.ErrorIs(t, b.WriteAt(ctx, 2, 2, []byte("xyz"), 2), fence.ErrFenced)
	got := make([]byte, 4)
	require.NoError(t, b.ReadAt(ctx, got, 1))
	require.Equal(t, "\x00abc", string(got))
	require.ErrorIs(t, b.ReadAt(ctx, make([]byte, 8), 0), api.ErrCorrupt, "never part of what was asked for")
	holder.web.Close()
	require.ErrorIs(t, b.ReadAt(ctx, got, 1), api.ErrUnavailable)
}

// A copy that was carried out and whose answer was lost is no longer what the registry remembers once somebody else has changed
// the edge. The next copy meets a conflict, which must not pass for the outcome; the edge's history tells.
func TestAConflictIsNotTheOutcomeOfAnEarlierCopy(t *testing.T) {
	own, other := api.Change{Revision: 7, Actor: "session-1", Reason: api.ReasonTakeover, Detail: "d"}, api.Change{Revision: 8, Actor: "session-2"}
	expected := api.Change{Revision: 5}
	for name, tc := range map[string]struct {
		script  []func(http.ResponseWriter)
		past    []api.Change
		expect  api.Revision
		unknown bool
	}{
		"one copy":            {[]func(http.ResponseWriter){kind(api.KindConflict)}, []api.Change{expected, own, other}, 5, false},
		"carried out":         {[]func(http.ResponseWriter){hangUp, kind(api.KindConflict)}, []api.Change{expected, own, other}, 5, true},
		"carried out, ended":  {[]func(http.ResponseWriter){hangUp, kind(api.KindSession)}, []api.Change{expected, own, other}, 5, true},
		"somebody was faster": {[]func(http.ResponseWriter){hangUp, kind(api.KindConflict)}, []api.Change{expected, other}, 5, false},
		"nobody was":          {[]func(http.ResponseWriter){hangUp, kind(api.KindSession)}, []api.Change{expected}, 5, false},
		"another edge's":      {[]func(http.ResponseWriter){hangUp, kind(api.KindConflict)}, []api.Change{expected}, 5, true}, // which may be deleted
		"too long ago":        {[]func(http.ResponseWriter){hangUp, kind(api.KindConflict)}, []api.Change{other}, 5, true},
		"another created it":  {[]func(http.ResponseWriter){hangUp, kind(api.KindConflict)}, []api.Change{{Reason: api.ReasonCreated, Actor: "x"}}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			own, socket := onSocket(t)
			own.mux.Handle("POST /v1/changes", &changes{script: tc.script})
			own.mux.HandleFunc("GET /v1/edges/e/history", func(w http.ResponseWriter, _ *http.Request) { give(w, tc.past) })
			_, err := dial(t, socket).Change(t.Context(), api.ChangeRequest{
				Reason: api.ReasonTakeover, Detail: "d", Edges: []api.EdgeChange{{Name: "e", Expect: tc.expect}},
			})
			require.Error(t, err)
			require.Equal(t, tc.unknown, api.ErrorOf(err).Kind == api.KindUnknown, "%v", err)
		})
	}
}

// That its own clock says that the session is over tells a client nothing of a copy that is on its way: the registry may take it
// in before it ends the session.
func TestTheOwnClockIsNotTheOutcomeOfAnEarlierCopy(t *testing.T) {
	own, socket := onSocket(t)
	own.mute = true
	own.mux.Handle("POST /v1/changes", &changes{script: []func(http.ResponseWriter){hangUp}})
	own.mux.HandleFunc("GET /v1/edges/e/history", func(w http.ResponseWriter, _ *http.Request) { give(w, []api.Change{{Revision: 5}}) })
	_, err := dial(t, socket).Change(t.Context(), api.ChangeRequest{Edges: []api.EdgeChange{{Name: "e", Expect: 5}}})
	require.ErrorIs(t, err, api.ErrSessionLost)
	require.Equal(t, api.KindUnknown, api.ErrorOf(err).Kind, "%v", err)
}

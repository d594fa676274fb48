package client_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/locator"
)

// mover is a leader of one edge, which moves to another node each time that it is asked to.
type mover struct {
	cutter
	generation fence.Epoch
	unread     int // so many reads find no quorum
	onUnread   func()
}

func (m *mover) edge() api.Edge {
	e := record("e", m.generation, api.Revision(m.generation))
	e.Locator.Node = []locator.NodeID{"n0", "n1"}[m.generation%2]
	return e
}

func (m *mover) api(t *testing.T) func(context.Context, ...locator.NodeID) (api.Edge, error) {
	m.generation = 2
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/edges/e", func(w http.ResponseWriter, _ *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.asked > 0 && m.unread != 0 {
			m.unread--
			if m.onUnread != nil {
				m.onUnread()
			}
			refuse(w, api.KindNoQuorum)
			return
		}
		give(w, m.edge())
	})
	mux.HandleFunc("POST /v1/edges/e/relocate", func(w http.ResponseWriter, _ *http.Request) {
		m.serve(w, func() (any, *api.Error) {
			m.generation++
			return m.edge(), nil
		})
	})
	a := apiOf(t, mux.ServeHTTP)
	return func(ctx context.Context, avoid ...locator.NodeID) (api.Edge, error) {
		return a.Move(ctx, "e", api.RelocateRequest{Avoid: avoid})
	}
}

// However the answers get lost, who asked for a move is told where the edge is, and it has moved once.
func TestAMoveIsSettledByTheRecord(t *testing.T) {
	for name, script := range scripts {
		if name == "overloaded" { // nothing was done: that is said
			continue
		}
		if script[0] == overloaded {
			script = script[1:]
		}
		t.Run(name, func(t *testing.T) {
			m := &mover{cutter: cutter{script: script}, unread: 3}
			e, err := m.api(t)(t.Context(), "n0")
			require.NoError(t, err)
			require.Equal(t, fence.Epoch(3), e.Generation)
			require.Equal(t, fence.Epoch(3), m.generation)
		})
	}
}

// What was moved meanwhile to where it must not be is no answer.
func TestAMoveElsewhereIsNotTheOneAskedFor(t *testing.T) {
	m := &mover{cutter: cutter{script: []cut{cutAfter}}}
	e, err := m.api(t)(t.Context(), "n1")
	require.NoError(t, err)
	require.Equal(t, locator.NodeID("n0"), e.Locator.Node)
	require.Equal(t, fence.Epoch(4), e.Generation)
}

func TestAMoveStaysUnknownWhileNobodyCanSay(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := &mover{cutter: cutter{script: []cut{cutAfter}}, unread: -1, onUnread: cancel}
	_, err := m.api(t)(ctx)
	require.ErrorIs(t, err, api.ErrUnknown)
	require.ErrorIs(t, err, context.Canceled)

	m = &mover{cutter: cutter{script: []cut{cutBefore, cutBefore, cutBefore, cutBefore, cutBefore}}}
	_, err = m.api(t)(t.Context())
	require.ErrorIs(t, err, api.ErrUnknown)
	require.Equal(t, 5, m.asked, "it gives up")

	m = &mover{cutter: cutter{script: []cut{noRoom}}, unread: -1}
	_, err = m.api(t)(t.Context())
	require.ErrorIs(t, err, api.ErrNoRoom)
	require.NotErrorIs(t, err, api.ErrUnknown)
}

package client_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
)

// told is one edge's news, as a watch's user sees it.
type told struct {
	typ        api.EventType
	at         api.Revision
	name       string
	generation fence.Epoch
	gone       bool
	resync     bool
}

func tell(e api.Event) told {
	n := told{typ: e.Type, at: e.Revision, gone: e.Gone(), resync: e.Resync}
	if e.Edge != nil {
		n.name, n.generation = e.Edge.Name, e.Edge.Generation
	}
	return n
}

// script is a node that plays streams, one after the other, and notes what it was asked.
type script struct {
	streams [][]api.Event
	asked   chan string
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked <- r.URL.RawQuery
	if len(s.streams) == 0 {
		<-r.Context().Done()
		return
	}
	events := s.streams[0]
	s.streams = s.streams[1:]
	for _, e := range events {
		json.NewEncoder(w).Encode(e)
	}
}

func at(t api.EventType, revision api.Revision, name string, generation fence.Epoch) api.Event {
	e := record(name, generation, revision)
	return api.Event{Type: t, Revision: revision, Kind: api.RecordEdge, Edge: &e}
}

func markAt(t api.EventType, revision api.Revision) api.Event {
	return api.Event{Type: t, Revision: revision}
}

func again(e api.Event) api.Event {
	e.Resync = true
	return e
}

// play reads n events of a watch at nodes that play streams.
func play(t *testing.T, q api.WatchRequest, n int, streams ...[]api.Event) (seen []told, asked chan string) {
	s := &script{streams: streams, asked: make(chan string, 100)}
	own, socket := onSocket(t)
	own.mux.Handle("GET /v1/watch", s)
	c := dial(t, socket)
	for e, err := range c.Watch(t.Context(), q) {
		require.NoError(t, err)
		seen = append(seen, tell(e))
		if len(seen) == n {
			break
		}
	}
	require.NoError(t, c.Close())
	return seen, s.asked
}

// A node that comes back without its past, from an older snapshot even, is to the reader nothing but changes.
func TestWatchIsOneHistory(t *testing.T) {
	const jump = 1 << 32
	seen, asked := play(t, api.WatchRequest{}, 12,
		[]api.Event{at(api.EventState, 3, "a", 1), at(api.EventState, 4, "b", 1), markAt(api.EventSync, 5), at(api.EventChange, 6, "a", 2),
			at(api.EventChange, 7, "b", 2)}, // breaks: b's fellows at 7 may be missing
		[]api.Event{at(api.EventChange, 7, "b", 2), at(api.EventChange, 7, "c", 1), markAt(api.EventBookmark, 8)},
		[]api.Event{again(at(api.EventState, 6, "a", 2))}, // breaks amid its state
		[]api.Event{again(at(api.EventState, 6, "a", 2)), again(at(api.EventState, 9, "b", 3)), again(at(api.EventState, 10, "d", 1)),
			again(markAt(api.EventSync, 12))}, // c is gone
		[]api.Event{again(at(api.EventState, 3, "a", 1)), again(at(api.EventState, 9, "b", 3)), again(markAt(api.EventSync, jump))}, // restored
	)
	require.Equal(t, []told{
		{typ: api.EventState, at: 3, name: "a", generation: 1},
		{typ: api.EventState, at: 4, name: "b", generation: 1},
		{typ: api.EventSync, at: 5},
		{typ: api.EventChange, at: 6, name: "a", generation: 2},
		{typ: api.EventChange, at: 7, name: "b", generation: 2},
		{typ: api.EventChange, at: 7, name: "c", generation: 1},
		{typ: api.EventBookmark, at: 8},
		{typ: api.EventChange, at: 12, name: "b", generation: 3, resync: true},
		{typ: api.EventChange, at: 12, name: "d", generation: 1, resync: true},
		{typ: api.EventChange, at: 12, name: "c", generation: 1, gone: true, resync: true},
		{typ: api.EventBookmark, at: 12, resync: true},
		{typ: api.EventChange, at: jump, name: "a", generation: 1, resync: true},
	}, seen)
	for _, from := range []string{"0", "6", "8", "8", "12"} {
		require.Equal(t, "from="+from+"&prefix=", <-asked)
	}
}

// A node that cannot say all is not the last word: another may remember more. When none does, the reader is told.
func TestGapsAreTriedElsewhere(t *testing.T) {
	gap := func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(api.Event{Type: api.EventError, Revision: 5, Error: api.Errorf(api.KindGap, "forgotten")})
	}
	other := onTCP(t)
	remembers := make(chan struct{}, 1)
	other.mux.HandleFunc("GET /v1/watch", func(w http.ResponseWriter, r *http.Request) {
		select {
		case remembers <- struct{}{}:
			json.NewEncoder(w).Encode(at(api.EventChange, 6, "a", 2))
			json.NewEncoder(w).Encode(markAt(api.EventBookmark, 6))
		default:
			gap(w, r)
		}
	})
	own, socket := onSocket(t, other)
	own.mux.HandleFunc("GET /v1/watch", gap)
	c := dial(t, socket)
	var seen []told
	var end error
	for e, err := range c.Watch(t.Context(), api.WatchRequest{From: 5, Mode: api.WatchAll}) {
		if end = err; err != nil {
			require.Equal(t, api.Revision(6), e.Revision, "up to where everything was told")
			break
		}
		seen = append(seen, tell(e))
	}
	require.ErrorIs(t, end, api.ErrGap)
	require.Equal(t, []told{{typ: api.EventChange, at: 6, name: "a", generation: 2}, {typ: api.EventBookmark, at: 6}}, seen)
}

// A node from before what the reader was told is left, not believed.
func TestNodesThatLagAreLeft(t *testing.T) {
	seen, _ := play(t, api.WatchRequest{}, 3,
		[]api.Event{markAt(api.EventSync, 5), at(api.EventChange, 9, "a", 2)},
		[]api.Event{again(markAt(api.EventSync, 7))},
		[]api.Event{at(api.EventChange, 9, "a", 2), markAt(api.EventBookmark, 9)},
	)
	require.Equal(t, []told{{typ: api.EventSync, at: 5}, {typ: api.EventChange, at: 9, name: "a", generation: 2},
		{typ: api.EventBookmark, at: 9}}, seen)
}

// Followers are shown a restored record, although it is older than what they had.
func TestFollowersSeeARestoredRecord(t *testing.T) {
	s := &script{asked: make(chan string, 100), streams: [][]api.Event{
		{at(api.EventState, 9, "e", 4), markAt(api.EventSync, 9)},
		{again(at(api.EventState, 3, "e", 1)), again(markAt(api.EventSync, 1<<32))},
	}}
	own, socket := onSocket(t)
	own.mux.Handle("GET /v1/watch", s)
	news := dial(t, socket).Follow(t.Context(), "e")
	until(t, news, generation(1))
}

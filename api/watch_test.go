package api

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/locator"
)

func TestWatchRequestsAreChecked(t *testing.T) {
	require.NoError(t, WatchRequest{}.Check())
	require.NoError(t, WatchRequest{Prefix: "p.", Node: "n", Kinds: RecordKinds, Mode: WatchAll, From: 1}.Check())
	for _, r := range []WatchRequest{
		{Kinds: []RecordKind{"edges"}}, {Kinds: append(RecordKinds[:4:4], RecordEdge)}, {Mode: "most"},
		{Prefix: strings.Repeat("x", 257)}, {Node: locator.NodeID(strings.Repeat("x", 257))},
	} {
		require.ErrorIs(t, r.Check(), ErrInvalid, "%+v", r)
	}
}

// However many readers get an event, it is encoded once.
func TestSharedEventsAreEncodedOnce(t *testing.T) {
	e := Event{Type: EventChange, Revision: 3, Kind: RecordEdge, Edge: &Edge{Name: "e"}}
	alone, err := e.Line()
	require.NoError(t, err)
	shared := e.Shared()
	var all sync.WaitGroup
	lines := make([][]byte, 8)
	for i := range lines {
		all.Go(func() { lines[i], _ = shared.Line() })
	}
	all.Wait()
	for _, line := range lines {
		require.Equal(t, alone, line)
		require.Same(t, &lines[0][0], &line[0])
	}
}

// What v0.1.0 read in a line it still reads there: type, revision, the edge and whether it is deleted.
func TestOldReadersUnderstandTheStream(t *testing.T) {
	type old struct {
		Type     string
		Revision uint64
		Edge     *struct {
			Name    string
			Deleted bool
		}
		Error *struct{ Kind string }
	}
	for _, e := range []Event{
		{Type: EventState, Revision: 5, Kind: RecordEdge, Edge: &Edge{Name: "e"}, Resync: true},
		{Type: EventChange, Revision: 7, Kind: RecordEdge, Deleted: true, Edge: &Edge{Name: "e", Deleted: true}},
		{Type: EventSync, Revision: 6, Resync: true},
		{Type: EventError, Revision: 6, Error: &Error{Kind: KindGap}},
	} {
		line, err := e.Line()
		require.NoError(t, err)
		var o old
		require.NoError(t, json.Unmarshal(line, &o))
		require.Equal(t, string(e.Type), o.Type)
		require.Equal(t, uint64(e.Revision), o.Revision)
		if e.Edge != nil {
			require.Equal(t, e.Edge.Name, o.Edge.Name)
			require.Equal(t, e.Gone(), o.Edge.Deleted)
		}
		if e.Error != nil {
			require.Equal(t, string(e.Error.Kind), o.Error.Kind)
		}
	}
}

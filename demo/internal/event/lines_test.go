package event_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/demo/internal/event"
	"github.com/grafnode/grafnode/fabric"
)

func read(t *testing.T, text string) ([]event.Event, error) {
	t.Helper()
	var got []event.Event
	err := event.Read(strings.NewReader(text), func(e event.Event) { got = append(got, e) })
	return got, err
}

func TestWriteRead(t *testing.T) {
	var pipe bytes.Buffer
	w := event.NewWriter(&pipe, "parse", func() { t.Error("broken") })
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	want := event.Event{At: at, Kind: event.Bound, Edge: "e", Role: fabric.RoleConsumer, Generation: 7, Node: "n",
		Edges: []api.EdgeReport{{Edge: "e", Items: 3}}}
	w.Write(want)
	w.Write(event.Event{Kind: event.Started})
	got, err := read(t, pipe.String())
	require.NoError(t, err)
	require.Len(t, got, 2)
	want.Process = "parse"
	require.Equal(t, want, got[0])
	require.False(t, got[1].At.IsZero())
}

func TestReadHalfALine(t *testing.T) {
	got, err := read(t, `{"kind":"lost"}`+"\n"+`{"kind":"bou`)
	require.NoError(t, err)
	require.Len(t, got, 1)
	_, err = read(t, `{"kind":"bou`+"\n"+`{"kind":"lost"}`)
	require.Error(t, err)
}

func TestWriterSaysWhenNobodyReads(t *testing.T) {
	r, pipe := io.Pipe()
	require.NoError(t, r.CloseWithError(errors.New("gone")))
	broken := 0
	event.NewWriter(pipe, "parse", func() { broken++ }).Write(event.Event{Kind: event.Started})
	require.Equal(t, 1, broken)
}

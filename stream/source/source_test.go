package source_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/source"
)

func after(n int) position.Vector {
	if n == 0 {
		return position.Vector{}
	}
	return position.VectorOf(position.Position{Offset: uint64(n)})
}

func read(t require.TestingT, src stream.Source[source.Line], from position.Vector) (texts []string, err error) {
	first, _ := from.At(0)
	for item, err := range src.Read(context.Background(), from) {
		if err != nil {
			return texts, err
		}
		require.Equal(t, item.Pos.Offset, item.Value.Number)
		require.Equal(t, first.Offset+uint64(len(texts))+1, item.Pos.Offset)
		texts = append(texts, string(item.Value.Text))
	}
	return texts, nil
}

func file(t testing.TB, text string) string {
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestLines(t *testing.T) {
	for text, want := range map[string][]string{
		"":                nil,
		"\n":              {""},
		"a":               {"a"},
		"a\n":             {"a"},
		"a\n\nb\xff\r\nc": {"a", "", "b\xff\r", "c"},
	} {
		got, err := read(t, source.Lines{Path: file(t, text)}, after(0))
		require.NoError(t, err)
		require.Equal(t, want, got, "%q", text)
	}
}

// Reading on from any line gives the rest.
func TestLinesGoOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	rapid.Check(t, func(rt *rapid.T) {
		lines := rapid.SliceOfN(rapid.StringMatching(`[a-z]{0,4}`), 1, 20).Draw(rt, "lines")
		n := rapid.IntRange(0, len(lines)).Draw(rt, "from")
		require.NoError(rt, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
		got, err := read(rt, source.Lines{Path: path}, after(n))
		require.NoError(rt, err)
		require.Equal(rt, lines[n:], append([]string{}, got...))
	})
}

func TestLinesRefuse(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, text := range []string{long, long + "\n", "a\n" + long + "y\n"} {
		_, err := read(t, source.Lines{Path: file(t, text), BytesMax: 99}, after(0))
		require.ErrorIs(t, err, source.ErrLineTooLong)
		require.ErrorContains(t, err, "line ")
	}
	got, err := read(t, source.Lines{Path: file(t, long+"\n"+long), BytesMax: 100}, after(0))
	require.NoError(t, err)
	require.Len(t, got, 2)
	_, err = read(t, source.Lines{Path: file(t, "a\nb\n")}, after(3))
	require.ErrorIs(t, err, source.ErrShort)
	_, err = read(t, source.Lines{Path: filepath.Join(t.TempDir(), "none")}, after(0))
	require.ErrorIs(t, err, os.ErrNotExist)
	got, err = read(t, source.Lines{Path: filepath.Join(t.TempDir(), "none")}, position.VectorOf(position.EndOfLane(0)))
	require.NoError(t, err, "the end was acknowledged: there is nothing to read")
	require.Empty(t, got)
}

func TestSlice(t *testing.T) {
	var got []string
	for item, err := range (source.Slice[string]{"a", "b", "c"}).Read(t.Context(), after(1)) {
		require.NoError(t, err)
		got = append(got, item.Value)
	}
	require.Equal(t, []string{"b", "c"}, got)
}

func FuzzLine(f *testing.F) {
	b, _ := source.Line{Number: 7, Text: []byte("text")}.AppendBinary(nil)
	f.Add(b)
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var l source.Line
		if err := l.UnmarshalBinary(b); err != nil {
			require.ErrorIs(t, err, source.ErrBadLine)
			return
		}
		again, err := l.AppendBinary(nil)
		require.NoError(t, err)
		require.True(t, bytes.Equal(b, again))
	})
}

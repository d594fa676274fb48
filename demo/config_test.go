package demo

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/examples/accesslog"
)

func TestCheckRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	report := filepath.Join(dir, "report")
	for want, c := range map[string]Config{
		"--nodes 2: must be 3 to 9":  {Nodes: 2, Report: report},
		"--rate -1: must be 0.01 to": {Nodes: 3, Rate: -1, Report: report},
		"--rate NaN: must be":        {Nodes: 3, Rate: math.NaN(), Report: report},
		"is there already":           {Nodes: 3, Store: file, Report: report},
		"is no directory":            {Nodes: 3, Store: filepath.Join(dir, "none", "db"), Report: report},
		"--report: ":                 {Nodes: 3, Report: filepath.Join(file, "report")},
		"--store: ":                  {Nodes: 3, Store: filepath.Join(file, "db"), Report: report},
		"--report: mkdir /proc/none": {Nodes: 3, Report: "/proc/none"},
	} {
		err := c.check()
		require.ErrorAs(t, err, new(*InputError), want)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "\n")
	}
	require.NoError(t, Config{Nodes: 3, Store: filepath.Join(dir, "db"), Report: report}.check())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "only the report's directory is new")
}

func open(t *testing.T, name, stdin string) (input, string, error) {
	dir := t.TempDir()
	in, err := openInput(context.Background(), Config{Input: name, Seed: 9}, dir, strings.NewReader(stdin))
	return in, dir, err
}

func TestOpenInput(t *testing.T) {
	in, dir, err := open(t, "", "")
	require.NoError(t, err)
	require.EqualValues(t, GeneratedLines, in.lines)
	require.True(t, in.generated)
	require.Equal(t, dir, filepath.Dir(in.path))
	require.Equal(t, "generated from seed 9", in.name)

	in, dir, err = open(t, "-", "a\n\nb")
	require.NoError(t, err)
	require.EqualValues(t, 3, in.lines)
	require.Equal(t, dir, filepath.Dir(in.path))

	file := filepath.Join(t.TempDir(), "access.log")
	require.NoError(t, os.WriteFile(file, []byte("a\n"), 0o600))
	in, _, err = open(t, file, "")
	require.NoError(t, err)
	require.Equal(t, input{name: file, path: file, lines: 1}, in)

	in, dir, err = open(t, os.DevNull, "")
	require.NoError(t, err)
	require.Equal(t, dir, filepath.Dir(in.path), "what cannot be read again is copied")
	require.Zero(t, in.lines)
}

func TestOpenInputRefuses(t *testing.T) {
	for name, want := range map[string]string{
		filepath.Join(t.TempDir(), "none"): "no such file",
		t.TempDir():                        "is a directory",
	} {
		_, _, err := open(t, name, "")
		require.ErrorAs(t, err, new(*InputError))
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, name)
	}
	_, _, err := open(t, "-", "a\n"+strings.Repeat("x", accesslog.LineBytesMax+1))
	require.ErrorAs(t, err, new(*InputError))
	require.ErrorContains(t, err, "standard input: line 2: line is too long")
}

// endless never answers.
type endless struct{}

func (endless) Read([]byte) (int, error) { select {} }

func TestOpenInputCanBeInterrupted(t *testing.T) {
	cause := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	_, err := openInput(ctx, Config{Input: "-"}, t.TempDir(), endless{})
	require.ErrorIs(t, err, cause)
}

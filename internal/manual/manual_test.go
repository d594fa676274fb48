package manual_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/manual"
)

const document = "# Title\n\nText.\n\n## First\n\n" +
	"```console\n$ one   # a comment\noutput\n$ two --long \\\n    --flag\n$ three\ngrafnode: no\n```\n" +
	"\n```sh host\na\nb\n```\n" +
	"\n## Second\n\n```json\n{}\n```\n\n```\n$ four\n```\n\n    grafnode status\n\n```console later\n$ five\n```\n"

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.md")
	require.NoError(t, os.WriteFile(path, []byte(document), 0o600))
	blocks, err := manual.Read(path)
	require.NoError(t, err)
	require.Len(t, blocks, 5)
	require.Equal(t, manual.Block{Path: path, Line: 17, Section: "First", Language: "sh", Mark: manual.Host, Text: "a\nb\n"}, blocks[1])
	require.Equal(t, []manual.Command{
		{Path: path, Line: 8, Text: "one   # a comment"},
		{Path: path, Line: 10, Text: "two --long \\\n    --flag"},
		{Path: path, Line: 12, Text: "three", Refused: "grafnode: no"},
	}, blocks[0].Commands())
	require.Equal(t, []manual.Command{{Path: path, Line: 17, Text: "a\nb\n"}}, blocks[1].Commands())
	require.Empty(t, blocks[2].Commands())

	wrong := manual.Check(path, blocks)
	require.Len(t, wrong, 3)
	require.ErrorContains(t, wrong[0], ":28: commands that nobody follows")
	require.ErrorContains(t, wrong[1], `:34: "later"`)
	require.ErrorContains(t, wrong[2], ":31: a command that nobody follows")

	for _, text := range []string{"1. First\n\n   ```console\n   $ rm\n   ```\n", "~~~console\n$ rm\n~~~\n"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		blocks, err = manual.Read(path)
		require.NoError(t, err)
		require.NotEmpty(t, manual.Check(path, blocks), text)
	}

	require.NoError(t, os.WriteFile(path, []byte("```sh\nrm\n"), 0o600))
	_, err = manual.Read(path)
	require.ErrorContains(t, err, ":2: the block does not end")
}

// Every command that a document shows is followed by a test, or takes minutes.
func TestDocuments(t *testing.T) {
	paths, err := manual.Documents("../..")
	require.NoError(t, err)
	require.Greater(t, len(paths), 20)
	require.Contains(t, paths, "../../registry/state/DESIGN.md")
	for _, path := range paths {
		blocks, err := manual.Read(path)
		require.NoError(t, err)
		for _, err := range manual.Check(path, blocks) {
			t.Error(err)
		}
	}
}

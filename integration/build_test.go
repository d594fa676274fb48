package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/version"
)

// Two builds of a commit, in directories that have nothing in common, are the same, byte for byte, and say of which commit they are.
func TestABuildIsReproducible(t *testing.T) {
	needsTime(t)
	run := func(dir, name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { // the Makefile says itself what it needs
			return strings.HasPrefix(v, "GOFLAGS=") || strings.HasPrefix(v, "CGO_ENABLED=") || strings.HasPrefix(v, "MAKE")
		})
		out, err := cmd.Output()
		require.NoError(t, err, "%s %s", name, args)
		return strings.TrimSpace(string(out))
	}
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	if _, err := exec.Command("git", "-C", root, "rev-parse", "HEAD").Output(); err != nil {
		t.Skip("no clone of the repository: ", err)
	}
	commit := run(root, "git", "rev-parse", "HEAD")
	var built [2][]byte
	for i, dir := range []string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "elsewhere", "b")} {
		run(root, "git", "clone", "--quiet", "--no-checkout", root, dir)
		run(dir, "git", "checkout", "--quiet", "--detach", commit)
		run(dir, "make", "build")
		built[i], err = os.ReadFile(filepath.Join(dir, "bin", "grafnode"))
		require.NoError(t, err)
		var said version.Info
		require.NoError(t, json.Unmarshal([]byte(run(dir, "bin/grafnode", "version", "--json")), &said))
		require.Equal(t, commit, said.Revision)
		require.False(t, said.Modified)
		require.Equal(t, runtime.Version(), said.Go)
	}
	require.True(t, slices.Equal(built[0], built[1]), "two builds of one commit differ")
}

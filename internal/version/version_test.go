package version_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/version"
)

func TestReadKnowsTheReleaseAndTheCompiler(t *testing.T) {
	info := version.Read()
	require.Equal(t, version.Release, info.Release)
	require.Contains(t, info.Go, "go1.")
	require.Contains(t, info.String(), "grafnode "+version.Release)
}

func TestStringCutsTheRevisionAndOwnsUpToChanges(t *testing.T) {
	info := version.Info{Release: "1.2.3", Revision: "0123456789abcdef", Modified: true, Go: "go1.26", Platform: "linux/amd64"}
	require.Equal(t, "grafnode 1.2.3 (0123456789ab, modified) go1.26 linux/amd64", info.String())
}

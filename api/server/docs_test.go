package server

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
)

// docs/api.md names the routes that there are, and no others.
func TestRoutesAreDocumented(t *testing.T) {
	require.Equal(t, found(t, "routes.go", `"((?:GET|POST|PUT|DELETE) /[^"]*)"`), found(t, "../../docs/api.md", "(?m)^\\| `((?:GET|POST|PUT|DELETE) /[^`]*)`"))
}

// And the error kinds and reasons likewise, which programs in other languages read there.
func TestKindsAndReasonsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	for _, kind := range found(t, "../error.go", `Kind = "([a-z-]+)"`) {
		require.Contains(t, string(text), "`"+kind+"`")
	}
	for _, reason := range reasons {
		require.Contains(t, string(text), "`"+string(reason)+"`")
	}
	require.Contains(t, string(text), "at least every "+api.BookmarkEvery.String()[:1]+" seconds")
}

// found returns what a file has in the parentheses of a pattern, in order, each once.
func found(t *testing.T, file, pattern string) []string {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var all []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
		all = append(all, m[1])
	}
	require.NotEmpty(t, all, pattern)
	slices.Sort(all)
	return slices.Compact(all)
}

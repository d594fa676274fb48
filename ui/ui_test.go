package ui

import (
	"bytes"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the page refers to is there, and is its own: a browser would ask nobody else, and say so in its console.
func TestThePageIsWhole(t *testing.T) {
	page, ok := Find("")
	require.True(t, ok)
	named := map[string]bool{"index.html": true}
	reference := regexp.MustCompile(`(?:src|href)="([^"#][^"]*)"|from "([^"]+)"|url\(([^)]+)\)`)
	for name, f := range files() {
		for _, m := range reference.FindAllSubmatch(f.Body, -1) {
			to := path.Clean(string(bytes.Join(m[1:], nil)))
			_, ok := Find(to)
			require.True(t, ok, "%s refers to %s", name, to)
			named[to] = true
		}
		rest := strings.ReplaceAll(string(f.Body), "http://www.w3.org/2000/svg", "")
		require.NotRegexp(t, `https?://[a-z]|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(| style="| on[a-z]+="`, rest, name)
		require.LessOrEqual(t, bytes.Count(f.Body, []byte("\n")), 300, "%s is long", name)
	}
	for name := range files() {
		require.True(t, named[name], "nothing refers to %s", name)
	}
	again, ok := Find("index.html")
	require.True(t, ok)
	require.Equal(t, page, again)
	_, ok = Find("../ui.go")
	require.False(t, ok)
}

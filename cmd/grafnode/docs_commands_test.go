package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	// codeSpan is a command in a line of prose, typedCommand one in a line of a block: at its beginning, or behind another.
	codeSpan     = regexp.MustCompile("`(?:bin/)?grafnode ([a-z-][^`]*)`")
	typedCommand = regexp.MustCompile(`(?:^|[;|(] ?|&& |sudo |run \./cmd/|bin/)grafnode ([a-z-][^#|;&>)]*)`)
)

// shownCommands returns the commands of this program that a document shows.
func shownCommands(text string) (all [][]string) {
	block := false
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		if strings.HasPrefix(line, "```") {
			block = !block
			continue
		}
		pattern := codeSpan
		if block || strings.HasPrefix(line, "    ") {
			pattern, line = typedCommand, strings.TrimPrefix(strings.TrimSpace(line), "$ ")
		}
		for _, match := range pattern.FindAllStringSubmatch(line, -1) {
			all = append(all, strings.Fields(match[1]))
		}
	}
	return all
}

// What the documents tell people to type is there: commands and flags.
func TestDocumentedCommandsAreReal(t *testing.T) {
	var documents []string
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../deploy/*.md", "../../examples/*/*.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		documents = append(documents, found...)
	}
	seen := 0
	for _, path := range documents {
		if strings.HasSuffix(path, "/cli.md") || strings.HasSuffix(path, "/CHANGELOG.md") {
			continue // made from the commands; history
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, args := range shownCommands(string(text)) {
			seen++
			checkShown(t, path, args)
		}
	}
	require.Greater(t, seen, 50, "commands in %v", documents)
}

func checkShown(t *testing.T, path string, args []string) {
	t.Helper()
	shown := path + ": grafnode " + strings.Join(args, " ")
	args = slices.DeleteFunc(args, func(a string) bool { return a == "..." })
	for i, a := range args {
		args[i] = strings.Trim(a, `"',.`)
	}
	cmd, rest, err := newRoot().Find(args)
	require.NoError(t, err, shown)
	require.NotEqual(t, "grafnode", cmd.Name(), "%s: no such command", shown)
	for _, a := range rest {
		if name, ok := strings.CutPrefix(a, "--"); ok {
			if name, _, _ = strings.Cut(name, "="); name == "help" {
				continue
			}
			require.NotNil(t, cmd.Flags().Lookup(name), "%s: no flag --%s", shown, name)
		}
	}
}

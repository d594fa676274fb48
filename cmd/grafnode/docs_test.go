package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

// docs/cli.md is what the commands say of themselves.
func TestTheCommandsAreDocumented(t *testing.T) {
	const path = "../../docs/cli.md"
	var text bytes.Buffer
	text.WriteString("# Commands\n\nMade from what the commands say of themselves: `go test ./cmd/grafnode -run Documented -update` writes it anew.\n")
	require.NoError(t, describeTree(&text, newRoot()))
	if *update {
		require.NoError(t, os.WriteFile(path, text.Bytes(), 0o644))
	}
	written, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, text.String(), string(written), "write it anew: go test ./cmd/grafnode -run Documented -update")
}

// describeTree writes a command and those below it, but for what is not for people.
func describeTree(w *bytes.Buffer, cmd *cobra.Command) error {
	if cmd.Hidden || cmd.Name() == "completion" || cmd.Name() == "help" {
		return nil
	}
	cmd.DisableAutoGenTag = true
	var page bytes.Buffer
	if err := doc.GenMarkdownCustom(cmd, &page, anchor); err != nil {
		return err
	}
	body, _, _ := strings.Cut(page.String(), "### SEE ALSO")
	w.WriteString("\n" + strings.TrimSpace(strings.ReplaceAll(body, "\n### ", "\n#### ")) + "\n")
	for _, child := range cmd.Commands() {
		if err := describeTree(w, child); err != nil {
			return err
		}
	}
	return nil
}

func anchor(name string) string { return "#" + strings.TrimSuffix(name, ".md") }

package hosts

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/manual"
)

const repositoryRoot = "../.."

// book is what the documents tell to type on hosts of a cluster. Each block has to be taken from it, to be followed.
type book struct {
	t    *testing.T
	left []manual.Block
	all  []manual.Block // of any language, and anybody's
}

func openBook(t *testing.T) *book {
	b := &book{t: t}
	paths, err := manual.Documents(repositoryRoot)
	require.NoError(t, err)
	for _, path := range paths {
		blocks, err := manual.Read(path)
		require.NoError(t, err)
		b.all = append(b.all, blocks...)
	}
	b.left = slices.DeleteFunc(slices.Clone(b.all), func(k manual.Block) bool { return k.Mark != manual.Host })
	return b
}

func in(document, section string) func(manual.Block) bool {
	return func(k manual.Block) bool {
		return k.Path == filepath.Join(repositoryRoot, document) && k.Section == section
	}
}

// section takes the blocks of a section, each as one script.
func (b *book) section(document, section string) (scripts []string) {
	b.t.Helper()
	for _, k := range b.left {
		if !in(document, section)(k) {
			continue
		}
		var script strings.Builder
		for _, c := range k.Commands() {
			if c.Refused != "" {
				fmt.Fprintf(&script, "if %s\nthen exit 1; fi\n", c.Text)
				continue
			}
			if strings.HasPrefix(c.Text, "grafnode top ") { // a person has seen enough after a while
				script.WriteString("timeout --preserve-status --signal=INT 2 ")
			}
			script.WriteString(c.Text + "\n")
		}
		scripts = append(scripts, script.String())
	}
	b.left = slices.DeleteFunc(b.left, in(document, section))
	require.NotEmpty(b.t, scripts, "%s, %q", document, section)
	return scripts
}

// script takes the blocks of a section as one script.
func (b *book) script(document, section string) string {
	b.t.Helper()
	return strings.Join(b.section(document, section), "")
}

// settings returns the settings that a section shows.
func (b *book) settings(document, section string) string {
	b.t.Helper()
	i := slices.IndexFunc(b.all, func(k manual.Block) bool { return k.Language == "toml" && in(document, section)(k) })
	require.GreaterOrEqual(b.t, i, 0, "%s, %q", document, section)
	return b.all[i].Text
}

// closed checks that nothing was left out.
func (b *book) closed() {
	b.t.Helper()
	for _, k := range b.left {
		b.t.Errorf("%s:%d: nobody has followed this", k.Path, k.Line)
	}
}

// Package manual reads what the documents tell people to type, for the tests that type it.
//
// Commands stand in fenced blocks of the language console, behind a "$ ", or sh. The word behind the language says who follows them: nothing,
// package integration/docs, in a scratch copy of the sources; Host, package integration/hosts, on machines of a cluster; Minutes, nobody, for
// they take that long; Adapter, nobody, for few machines have one for RDMA. There is no other way to show a command: Check finds those that would be followed by nobody.
package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// What a block's info string may say behind its language.
const (
	Host    = "host"
	Minutes = "minutes"
	Adapter = "adapter"
)

// Block is a fenced block.
type Block struct {
	Path     string // of its document
	Line     int    // its first, in the document
	Section  string // the heading above it
	Language string // first word of its info string
	Mark     string // the rest of that
	Text     string
}

// Command is what a reader types at once.
type Command struct {
	Path    string
	Line    int
	Text    string // of one line or several
	Refused string // the error that the document shows it to end with
}

// Documents returns the paths of the documents of the repository whose root is given: all but the changelog, which is history, and docs/cli.md,
// which is made from the commands.
func Documents(root string) (paths []string, err error) {
	for _, pattern := range []string{"*.md", "*/*.md", "*/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		paths = append(paths, found...)
	}
	return slices.DeleteFunc(paths, func(p string) bool {
		return filepath.Base(p) == "CHANGELOG.md" || filepath.Base(p) == "cli.md"
	}), nil
}

// Read returns the fenced blocks of a document.
func Read(path string) (blocks []Block, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var open *Block
	section, number := "", 0
	for line := range strings.Lines(string(text)) {
		number++
		fence, fenced := strings.CutPrefix(line, "```")
		switch {
		case fenced && open == nil:
			language, mark, _ := strings.Cut(strings.TrimSpace(fence), " ")
			open = &Block{Path: path, Line: number + 1, Section: section, Language: language, Mark: mark}
		case fenced:
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.Text += line
		case strings.HasPrefix(line, "#"):
			section = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	if open != nil {
		return nil, fmt.Errorf("%s:%d: the block does not end", path, open.Line)
	}
	return blocks, nil
}

// Commands returns what a block has to be typed: of sh all at once, of console what stands behind "$ ", each with the lines that it is continued on.
func (b Block) Commands() (commands []Command) {
	if b.Language == "sh" {
		return []Command{{Path: b.Path, Line: b.Line, Text: b.Text}}
	}
	if b.Language != "console" {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(b.Text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		text, typed := strings.CutPrefix(lines[i], "$ ")
		if !typed {
			if n := len(commands); n > 0 && strings.HasPrefix(lines[i], "grafnode: ") {
				commands[n-1].Refused = lines[i]
			}
			continue
		}
		c := Command{Path: b.Path, Line: b.Line + i, Text: text}
		for strings.HasSuffix(lines[i], `\`) && i+1 < len(lines) {
			i++
			c.Text += "\n" + lines[i]
		}
		commands = append(commands, c)
	}
	return commands
}

// typed is a line that looks like a command.
var typed = regexp.MustCompile(`(?m)^(    )?(\$ |(bin/|sudo .*)?grafnode [a-z]|make [a-z]|go (run|test|build|install) |curl )`)

// otherFence begins a block that Read does not know.
var otherFence = regexp.MustCompile("^([ >]+```|[ >]*~~~)")

// Check says what is wrong with how a document shows its commands.
func Check(path string, blocks []Block) (wrong []error) {
	for _, b := range blocks {
		at := fmt.Sprintf("%s:%d", path, b.Line)
		commands := b.Commands()
		switch {
		case len(commands) == 0 && b.Mark != "":
			wrong = append(wrong, fmt.Errorf("%s: marked %q, and has no commands", at, b.Mark))
		case !slices.Contains([]string{"", Host, Minutes, Adapter}, b.Mark):
			wrong = append(wrong, fmt.Errorf("%s: %q: a block is of %q, %q or %q, or of none and is run where anybody is", at, b.Mark, Host, Minutes, Adapter))
		case len(commands) == 0 && typed.MatchString(b.Text):
			wrong = append(wrong, fmt.Errorf("%s: commands that nobody follows: make the block one of console or sh", at))
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return append(wrong, err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case slices.ContainsFunc(blocks, func(b Block) bool { return b.Line <= i+1 && i+1 < b.Line+strings.Count(b.Text, "\n") }):
		case strings.HasPrefix(line, "    ") && typed.MatchString(line):
			wrong = append(wrong, fmt.Errorf("%s:%d: a command that nobody follows: make it a block of console", path, i+1))
		case otherFence.MatchString(line):
			wrong = append(wrong, fmt.Errorf("%s:%d: a block that nobody reads: fence it by ``` at the beginning of a line", path, i+1))
		}
	}
	return wrong
}

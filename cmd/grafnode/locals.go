package main

import (
	"strings"

	"github.com/grafnode/grafnode/node/local"
)

// locals is a flag for what users of the host may do: a list of local.Entry.
type locals []local.Entry

// Set adds an entry.
func (l *locals) Set(text string) error { return l.Append(text) }

// Append adds an entry.
func (l *locals) Append(text string) error {
	e, err := local.Parse(text)
	if err == nil {
		*l = append(*l, e)
	}
	return err
}

// Replace sets all entries. One that does not say of whom it is goes on with the one before: in the environment commas part entries, and rights too.
func (l *locals) Replace(texts []string) error {
	var whole []string
	for _, text := range texts {
		if whole == nil || strings.HasPrefix(text, "user:") || strings.HasPrefix(text, "group:") {
			whole = append(whole, text)
		} else {
			whole[len(whole)-1] += "," + text
		}
	}
	*l = nil
	for _, text := range whole {
		if err := l.Append(text); err != nil {
			return err
		}
	}
	return nil
}

// GetSlice returns the entries as Set takes them.
func (l *locals) GetSlice() []string {
	texts := make([]string, len(*l))
	for i, e := range *l {
		texts[i] = e.String()
	}
	return texts
}

// String returns the entries for comparison.
func (l *locals) String() string { return strings.Join(l.GetSlice(), "; ") }

// Type is what the help calls it.
func (l *locals) Type() string { return "rules" }

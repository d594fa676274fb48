package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/pflag"
)

// file sets flags from a TOML file.
func (l *loader) file(path string, text []byte) error {
	var values map[string]any
	if err := toml.Unmarshal(text, &values); err != nil {
		from := Origin{File: path}
		if where := new(toml.DecodeError); errors.As(err, &where) {
			from.Line, _ = where.Position()
		}
		return &Error{From: from, Err: errors.New(strings.TrimPrefix(err.Error(), "toml: "))}
	}
	for _, key := range keys(text) {
		from := Origin{File: path, Line: key.line}
		f := l.flags.Lookup(key.name)
		switch {
		case key.section:
			return &Error{From: from, Setting: key.name, Err: errSection}
		case f == nil || !settable(f):
			return &Error{From: from, Setting: key.name, Err: l.unknown(key.name)}
		case key.name == Flag:
			return &Error{From: from, Setting: key.name, Err: errNoFile}
		case l.origins[key.name].Flag:
			continue
		}
		if err := decode(f, values[key.name]); err != nil {
			return &Error{From: from, Setting: key.name, Err: err}
		}
		l.origins[key.name] = from
	}
	return nil
}

type key struct {
	name    string
	line    int
	section bool
}

var errSection = errors.New("there are no sections: a setting is a key like raft-heartbeat, with a hyphen")

// keys returns the keys of a file that has been decoded, in its order: toml says where a key stands only of those that it
// refuses, and here others refuse too. That needs its parser, which it calls unstable, for its interface may change.
func keys(text []byte) []key {
	var found []key
	var parser unstable.Parser
	parser.Reset(text)
	for parser.NextExpression() {
		expression := parser.Expression()
		var name []string
		line := 0
		for part := expression.Key(); part.Next(); {
			name = append(name, string(part.Node().Data))
			if line == 0 {
				line = parser.Shape(part.Node().Raw).Start.Line
			}
		}
		found = append(found, key{strings.Join(name, "."), line, expression.Kind != unstable.KeyValue})
	}
	return found
}

// unknown says what a key could have meant.
func (l *loader) unknown(name string) error {
	plain := func(s string) string { return strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(s)) }
	near, least := "", 3
	l.flags.VisitAll(func(f *pflag.Flag) {
		if d := levenshtein.ComputeDistance(plain(name), f.Name); d < least && f.Name != Flag && settable(f) {
			near, least = f.Name, d
		}
	})
	if near != "" {
		return fmt.Errorf("no such setting; did you mean %q?", near)
	}
	return errors.New(`no such setting; "grafnode config show" lists all`)
}

// decode gives a flag a value of its own type, as TOML has types.
func decode(f *pflag.Flag, value any) error {
	list, many := f.Value.(pflag.SliceValue)
	switch v := value.(type) {
	case string:
		if many || plain(f) {
			break
		}
		if err := f.Value.Set(v); err != nil {
			return fmt.Errorf("%q: %w", v, err)
		}
		return nil
	case int64, bool:
		if s := fmt.Sprint(v); plain(f) && f.Value.Set(s) == nil {
			return nil
		}
	case []any:
		strs := make([]string, len(v))
		for i := range v {
			s, ok := v[i].(string)
			if !ok {
				return fmt.Errorf("%v: must be a list of strings", v)
			}
			strs[i] = s
		}
		if many {
			return list.Replace(strs)
		}
	}
	return fmt.Errorf("%v: must be %s", value, kind(f))
}

// plain says whether a flag's values stand in a file without quotes.
func plain(f *pflag.Flag) bool {
	t := f.Value.Type()
	return t == "bool" || strings.HasPrefix(t, "int") || strings.HasPrefix(t, "uint")
}

// kind says what a file must have for a flag.
func kind(f *pflag.Flag) string {
	switch {
	case f.Value.Type() == "bool":
		return "true or false"
	case plain(f):
		return "a whole number"
	case f.Value.Type() == "duration":
		return `a string with a duration, such as "1.5s"`
	}
	if _, many := f.Value.(pflag.SliceValue); many {
		return `a list of strings, such as ["a", "b"]`
	}
	return "a string, in quotes"
}

// Secretive is a flag's value in which somebody may have written a secret, though none belongs there.
type Secretive interface {
	Shown() string // the value, or what is shown in its stead
}

// literal writes a flag's value as it stands in a file.
func literal(f *pflag.Flag) (string, error) {
	if plain(f) {
		return f.Value.String(), nil
	}
	var value any = f.Value.String()
	if secretive, ok := f.Value.(Secretive); ok {
		value = secretive.Shown()
	}
	if list, many := f.Value.(pflag.SliceValue); many {
		value = list.GetSlice()
	}
	text, err := toml.Marshal(map[string]any{f.Name: value})
	_, text, _ = bytes.Cut(bytes.TrimSpace(text), []byte(" = "))
	return string(text), err
}

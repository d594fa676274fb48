package config

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/pflag"
)

// Origin is where a setting has its value from. The zero Origin: nobody has said anything, it is the default.
type Origin struct {
	Flag     bool   // the command line
	Variable string // an environment variable
	File     string // a file, and the line in it from 1, or 0 for the file as a whole
	Line     int
}

// String returns the place as people write it.
func (o Origin) String() string {
	switch {
	case o.Flag:
		return "command line"
	case o.Variable != "":
		return "$" + o.Variable
	case o.File != "" && o.Line > 0:
		return fmt.Sprintf("%s:%d", o.File, o.Line)
	case o.File != "":
		return o.File
	}
	return "default"
}

// Error is something about a setting, or a file of settings, that the user has to mend.
type Error struct {
	From    Origin
	Setting string // "" where it is not about one
	Err     error
}

// Error returns one line, or as many as Err has.
func (e *Error) Error() string {
	switch {
	case e.Setting == "":
		return fmt.Sprintf("%s: %v", e.From, e.Err)
	case e.From.Flag:
		return fmt.Sprintf("--%s: %v", e.Setting, e.Err)
	}
	return fmt.Sprintf("%s: %s: %v", e.From, e.Setting, e.Err)
}

// Unwrap returns what is wrong.
func (e *Error) Unwrap() error { return e.Err }

// Origins says of each setting that is not at its default where it has its value from.
type Origins map[string]Origin

// Blame says of an error about a setting where it stands. One that stands nowhere is a flag's that should have been given.
func (o Origins) Blame(setting string, err error) error {
	from, ok := o[setting]
	if !ok {
		from.Flag = true
	}
	return &Error{From: from, Setting: setting, Err: err}
}

// Strangers returns the variables of the environment that begin as settings do and are none, sorted. A program that shares the
// prefix may have them, so they are not an error, but a mistake in spelling should not go unseen.
func Strangers(flags *pflag.FlagSet, environ []string) []string {
	env := variables(environ)
	flags.VisitAll(func(f *pflag.Flag) { delete(env, EnvName(f.Name)) })
	names := make([]string, 0, len(env))
	for name := range env {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Show writes the settings as a file that Load takes, with the origin of each behind it.
func Show(w io.Writer, flags *pflag.FlagSet, origins Origins) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		if failed != nil || f.Name == Flag || !settable(f) {
			return
		}
		value, err := literal(f)
		if err == nil {
			_, err = fmt.Fprintf(w, "%s = %s # %s\n", f.Name, value, origins[f.Name])
		}
		failed = err
	})
	return failed
}

var errNoFile = errors.New("names the file, so it cannot stand in one")

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// EnvPrefix begins the name of every setting's environment variable.
const EnvPrefix = "GRAFNODE_"

// Flag is the flag that names the file; it cannot stand in one.
const Flag = "config"

// EnvName returns the environment variable of a setting.
func EnvName(setting string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

// Load sets those of the flags that the command line has not set, from the file that the flag "config" or its variable names (none: no
// file), from its drop-ins, *.toml in the directory that is called as the file is but ends in .d, and from the environment, in the form of
// os.Environ. The flags must have been parsed. It returns where each setting has its value from. On an error, an *Error for all that
// a user can mend, some of the flags may have been set.
func Load(flags *pflag.FlagSet, environ []string) (Origins, error) {
	l := loader{flags: flags, origins: Origins{}}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			l.origins[f.Name] = Origin{Flag: true}
		}
	})
	env := variables(environ)
	if err := l.variable(flags.Lookup(Flag), env); err != nil {
		return nil, err
	}
	if path := flags.Lookup(Flag).Value.String(); path != "" {
		if err := l.files(path); err != nil {
			return nil, err
		}
	}
	var err error
	flags.VisitAll(func(f *pflag.Flag) {
		if err == nil && f.Name != Flag && settable(f) {
			err = l.variable(f, env)
		}
	})
	return l.origins, err
}

// CopyCommandLine gives the flags to those values that the command line has given to others of the same names, so that Load can be called for
// them as it was for the others.
func CopyCommandLine(to, from *pflag.FlagSet, origins Origins) error {
	for name, origin := range origins {
		if !origin.Flag {
			continue
		}
		f := to.Lookup(name)
		if err := copyValue(f.Value, from.Lookup(name).Value); err != nil {
			return &Error{From: origin, Setting: name, Err: err}
		}
		f.Changed = true
	}
	return nil
}

// Renew gives a setting of flags, and of their origins, what fresh ones have. The fresh value has been taken by a flag of the same type.
func Renew(flags, fresh *pflag.FlagSet, origins, freshOrigins Origins, name string) error {
	if from, ok := freshOrigins[name]; ok {
		origins[name] = from
	} else {
		delete(origins, name)
	}
	return copyValue(flags.Lookup(name).Value, fresh.Lookup(name).Value)
}

func copyValue(to, from pflag.Value) error {
	if list, ok := from.(pflag.SliceValue); ok {
		return to.(pflag.SliceValue).Replace(list.GetSlice())
	}
	return to.Set(from.String())
}

// settable says whether a flag is a setting: asking for help is none.
func settable(f *pflag.Flag) bool { return f.Name != "help" && !f.Hidden }

type loader struct {
	flags   *pflag.FlagSet
	origins Origins
}

// variable gives a setting the value that the environment has for it, unless the command line has one.
func (l *loader) variable(f *pflag.Flag, env map[string]string) error {
	name := EnvName(f.Name)
	value, ok := env[name]
	if !ok || l.origins[f.Name].Flag {
		return nil
	}
	from := Origin{Variable: name}
	if err := assign(f, value); err != nil {
		return &Error{From: from, Setting: f.Name, Err: fmt.Errorf("%q: %w", value, err)}
	}
	l.origins[f.Name] = from
	return nil
}

// assign replaces a flag's value by what a string says.
func assign(f *pflag.Flag, value string) error {
	list, ok := f.Value.(pflag.SliceValue)
	if !ok {
		return f.Value.Set(value)
	}
	if value == "" {
		return list.Replace(nil)
	}
	return list.Replace(strings.Split(value, ","))
}

func variables(environ []string) map[string]string {
	env := map[string]string{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, EnvPrefix) {
			env[name] = value
		}
	}
	return env
}

// files reads the file and its drop-ins.
func (l *loader) files(path string) error {
	paths := []string{path}
	dropIns := strings.TrimSuffix(path, filepath.Ext(path)) + ".d"
	entries, err := os.ReadDir(dropIns)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &Error{From: Origin{File: dropIns}, Err: err}
	}
	for _, entry := range entries { // by name
		if filepath.Ext(entry.Name()) == ".toml" {
			paths = append(paths, filepath.Join(dropIns, entry.Name()))
		}
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return &Error{From: Origin{File: path}, Err: errors.Unwrap(err)}
		}
		if err := l.file(path, text); err != nil {
			return err
		}
	}
	return nil
}

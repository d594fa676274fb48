package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/cmd/grafnode/config"
)

type settings struct {
	flags *pflag.FlagSet
	name  string
	wait  time.Duration
	count int
	list  []string
	on    bool
}

func newSettings() *settings {
	s := &settings{flags: pflag.NewFlagSet("test", pflag.ContinueOnError)}
	s.flags.String(config.Flag, "", "")
	s.flags.StringVar(&s.name, "name", "nobody", "")
	s.flags.DurationVar(&s.wait, "some-wait", time.Second, "")
	s.flags.IntVar(&s.count, "count", 1, "")
	s.flags.StringSliceVar(&s.list, "list", nil, "")
	s.flags.BoolVar(&s.on, "on", false, "")
	return s
}

// write makes a file of settings, with drop-ins of the given names.
func write(t testing.TB, main string, dropIns map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "g.toml")
	require.NoError(t, os.WriteFile(path, []byte(main), 0o600))
	if dropIns == nil {
		return path
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "g.d"), 0o700))
	for name, text := range dropIns {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "g.d", name), []byte(text), 0o600))
	}
	return path
}

func TestTheLaterWins(t *testing.T) {
	path := write(t, "name = 'file'\nsome-wait = '2s'\ncount = 2\nlist = ['a', 'b,c']\non = true\n",
		map[string]string{"20.toml": "count = 20\n", "10.toml": "count = 10\n\nsome-wait = '10s'", "30.toml~": "count = 30"})
	s := newSettings()
	require.NoError(t, s.flags.Parse([]string{"--config", path, "--list", "x"}))
	origins, err := config.Load(s.flags, []string{"GRAFNODE_NAME=environment", "GRAFNODE_LIST=y", "GRAFNODE_COUNTS=4", "NAME=other"})
	require.NoError(t, err)

	require.Equal(t, "environment", s.name)
	require.Equal(t, 10*time.Second, s.wait)
	require.Equal(t, 20, s.count)
	require.Equal(t, []string{"x"}, s.list)
	require.True(t, s.on)
	require.Equal(t, "$GRAFNODE_NAME", origins["name"].String())
	require.Equal(t, filepath.Join(filepath.Dir(path), "g.d", "10.toml")+":3", origins["some-wait"].String())
	require.Equal(t, "command line", origins["list"].String())
	require.Equal(t, path+":5", origins["on"].String())
	require.Equal(t, []string{"GRAFNODE_COUNTS"}, config.Strangers(s.flags, []string{"GRAFNODE_COUNTS=4", "GRAFNODE_COUNT=4", "COUNTS=1"}))
}

func TestTheFileIsNamedByTheEnvironmentToo(t *testing.T) {
	s := newSettings()
	_, err := config.Load(s.flags, []string{"GRAFNODE_CONFIG=" + write(t, "list = ['b,c']", nil)})
	require.NoError(t, err)
	require.Equal(t, []string{"b,c"}, s.list)
}

func TestMistakesAreNamedWithTheirPlace(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"\nnaem = 'x'", `:2: naem: no such setting; did you mean "name"?`},
		{"some_wait = '1s'", `:1: some_wait: no such setting; did you mean "some-wait"?`},
		{"some.wait = '1s'", `did you mean "some-wait"?`},
		{"colour = 1", `:1: colour: no such setting; "grafnode config show" lists all`},
		{"# a\n[some]\nwait = 1", ":2: some: there are no sections"},
		{"help = true", ":1: help: no such setting"},
		{"config = 'x'", ":1: config: names the file"},
		{"name = 1", ":1: name: 1: must be a string, in quotes"},
		{"name = ['x']", ":1: name: [x]: must be a string, in quotes"},
		{"some-wait = 1", `:1: some-wait: 1: must be a string with a duration, such as "1.5s"`},
		{"some-wait = 'soon'", `:1: some-wait: "soon": time: invalid duration "soon"`},
		{"count = '1'", ":1: count: 1: must be a whole number"},
		{"count = 1.5", ":1: count: 1.5: must be a whole number"},
		{"count = true", ":1: count: true: must be a whole number"},
		{"count = 99999999999999999999", ":1: "},
		{"on = 'yes'", ":1: on: yes: must be true or false"},
		{"list = 'a'", ":1: list: a: must be a list of strings"},
		{"list = [1]", ":1: list: [1]: must be a list of strings"},
		{"name = 'x'\nname = 'y'", ":2: "},
		{"name = 'x", ":1: "},
		{"name = 'x'\n\n\x00", ":3: "},
	} {
		s := newSettings()
		path := write(t, c.text, nil)
		require.NoError(t, s.flags.Set(config.Flag, path))
		_, err := config.Load(s.flags, nil)
		require.ErrorAs(t, err, new(*config.Error), c.text)
		require.Contains(t, err.Error(), path+":", c.text)
		require.Contains(t, err.Error(), c.want, c.text)
	}
}

func TestOtherMistakes(t *testing.T) {
	s := newSettings()
	_, err := config.Load(s.flags, []string{"GRAFNODE_COUNT=many"})
	require.ErrorContains(t, err, `$GRAFNODE_COUNT: count: "many": `)
	_, err = config.Load(s.flags, []string{"GRAFNODE_CONFIG=/nowhere/g.toml"})
	require.EqualError(t, err, "/nowhere/g.toml: no such file or directory")

	path := write(t, "", nil)
	require.NoError(t, os.WriteFile(strings.TrimSuffix(path, "toml")+"d", nil, 0o600))
	_, err = config.Load(s.flags, []string{"GRAFNODE_CONFIG=" + path})
	require.ErrorContains(t, err, "g.d: ")

	origins := config.Origins{"count": {File: "g.toml", Line: 7}}
	require.EqualError(t, origins.Blame("count", os.ErrInvalid), "g.toml:7: count: invalid argument")
	require.EqualError(t, origins.Blame("name", os.ErrInvalid), "--name: invalid argument")
}

// What is shown is a file that says the same.
func TestWhatIsShownIsAFile(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		a := newSettings()
		a.name = rapid.String().Draw(t, "name")
		a.wait = time.Duration(rapid.Int64().Draw(t, "wait"))
		a.count = rapid.Int().Draw(t, "count")
		a.list = rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "list")
		a.on = rapid.Bool().Draw(t, "on")
		require.NoError(t, a.flags.Lookup("list").Value.(pflag.SliceValue).Replace(a.list))

		var shown strings.Builder
		require.NoError(t, config.Show(&shown, a.flags, nil))
		path := filepath.Join(dir, "shown.toml")
		require.NoError(t, os.WriteFile(path, []byte(shown.String()), 0o600))
		b := newSettings()
		_, err := config.Load(b.flags, []string{"GRAFNODE_CONFIG=" + path})
		require.NoError(t, err, shown.String())
		require.Equal(t, a.name, b.name)
		require.Equal(t, a.wait, b.wait)
		require.Equal(t, a.count, b.count)
		require.True(t, slices.Equal(a.list, b.list), "%q %q", a.list, b.list)
		require.Equal(t, a.on, b.on)
	})
}

func TestTheCommandLineIsCopied(t *testing.T) {
	a := newSettings()
	require.NoError(t, a.flags.Parse([]string{"--name", "x", "--list", "a,b"}))
	origins, err := config.Load(a.flags, []string{"GRAFNODE_COUNT=3"})
	require.NoError(t, err)
	b := newSettings()
	require.NoError(t, config.CopyCommandLine(b.flags, a.flags, origins))
	_, err = config.Load(b.flags, []string{"GRAFNODE_NAME=y", "GRAFNODE_COUNT=4"})
	require.NoError(t, err)
	require.Equal(t, "x", b.name)
	require.Equal(t, []string{"a", "b"}, b.list)
	require.Equal(t, 4, b.count, "not from the command line")
}

// Whatever stands in a file, it is taken or refused with the place.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{"name = 'x'", "count = 0x10", "[a]\nb = 1", "list = ['a', \"\\u00e9\"]", "a.b.c = {d = 1}", "on = tru", "\"name\" = 1979-05-27"} {
		f.Add([]byte(seed))
	}
	path := filepath.Join(f.TempDir(), "g.toml")
	f.Fuzz(func(t *testing.T, text []byte) {
		require.NoError(t, os.WriteFile(path, text, 0o600))
		_, err := config.Load(newSettings().flags, []string{"GRAFNODE_CONFIG=" + path})
		if err != nil {
			require.ErrorAs(t, err, new(*config.Error))
			require.Contains(t, err.Error(), path+":")
		}
	})
}

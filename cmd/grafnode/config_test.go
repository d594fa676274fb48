package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/cmd/grafnode/config"
	gnode "github.com/grafnode/grafnode/node"
	"github.com/grafnode/grafnode/node/local"
)

func TestConfigCommands(t *testing.T) {
	path := filepath.Join(t.TempDir(), "g.toml")
	require.NoError(t, os.WriteFile(path, []byte("data-dir = '/d'\nmemory = '2GiB'\nraft-heartbeat = '1ms'\n"), 0o600))

	code, stdout, _ := command(t, "config", "show", "--config", path, "--zone", "b")
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, "memory = '2GiB' # "+path+":2\n")
	require.Contains(t, stdout, "zone = 'b' # command line\n")
	require.Contains(t, stdout, "log-level = 'info' # default\n")

	code, _, stderr := command(t, "config", "validate", path)
	require.Equal(t, exitUsage, code)
	require.Equal(t, "grafnode: "+path+":3: raft-heartbeat: 1ms: must be 50ms to 1m\n", stderr)
	code, _, stderr = command(t, "agent", "--config", path)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, path+":3: raft-heartbeat: 1ms: must be")

	t.Setenv("GRAFNODE_MEMROY", "1GiB")
	code, stdout, stderr = command(t, "config", "validate", path, "--raft-heartbeat", "1s")
	require.Equal(t, exitOK, code)
	require.Contains(t, stderr, "GRAFNODE_MEMROY is set, and no setting of a node\n")
	require.Equal(t, "the settings are valid\n", stdout)
	code, _, stderr = command(t, "config", "validate", path, "--raft-heartbeat", "1s", "--bind", "{{ GetInterfaceIP \"none0\" }}")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "--bind: ")
}

// A password is no part of a collector's address. Who has written one there is told so, and nobody else is shown it.
func TestAPasswordInAnEndpointIsNotShown(t *testing.T) {
	for _, endpoint := range []string{"http://ada:s3cret@127.0.0.1:4318", "ada:s3cret@collector", "http://collector/?key=s3cret", "http://s3cret:x"} {
		path := filepath.Join(t.TempDir(), "g.toml")
		require.NoError(t, os.WriteFile(path, []byte("data-dir = '/d'\notlp-endpoint = '"+endpoint+"'\n"), 0o600))
		code, stdout, stderr := command(t, "config", "show", "--config", path)
		require.Equal(t, exitOK, code)
		require.Contains(t, stdout, "otlp-endpoint = 'hidden: ")
		require.NotContains(t, stdout+stderr, "s3cret")
		code, stdout, stderr = command(t, "config", "validate", path)
		require.Equal(t, exitUsage, code)
		require.Contains(t, stderr, path+":2: otlp-endpoint: must be")
		require.NotContains(t, stdout+stderr, "s3cret")
		_, stdout, stderr = command(t, "config", "validate", "--otlp-endpoint", endpoint)
		require.NotContains(t, stdout+stderr, "s3cret")
	}
	_, stdout, _ := command(t, "config", "show", "--otlp-endpoint", "http://127.0.0.1:4318")
	require.Contains(t, stdout, "otlp-endpoint = 'http://127.0.0.1:4318' # command line\n")
}

func TestAddressTemplates(t *testing.T) {
	got, err := address("10.0.0.1:7400")
	require.NoError(t, err)
	require.Equal(t, "10.0.0.1:7400", got)
	got, err = address(`{{ GetAllInterfaces | include "name" "^lo$" | include "type" "IPv4" | limit 1 | attr "address" }}:7400`)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:7400", got)
	_, err = address("{{ GetPrivateIP")
	require.ErrorContains(t, err, "GetPrivateIP")
	_, err = address(`{{ GetInterfaceIP "none0" }}`)
	require.ErrorContains(t, err, "finds no address")
}

func TestReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "g.toml")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	write("data-dir = '/d'")
	f, flags := &agentFlags{}, pflag.NewFlagSet("agent", pflag.ContinueOnError)
	f.define(flags)
	require.NoError(t, flags.Parse([]string{"--config", path, "--zone", "b"}))
	require.NoError(t, f.load(flags))
	var said bytes.Buffer
	f.config.Logger = slog.New(slog.NewTextHandler(&said, nil))
	least := new(slog.LevelVar)
	node := &fakeNode{}
	reload := func(text string) string {
		write(text)
		said.Reset()
		f.reload(flags, least, node)
		return said.String()
	}

	require.NotContains(t, reload("data-dir = '/d'\nlog-level = 'debug'\nzone = 'c'"), "WARN", "the command line's zone stands")
	require.Equal(t, slog.LevelDebug, least.Level())
	require.Contains(t, reload("data-dir = '/d'\nname = 'n'\nlog-level = 'warn'"), "settings=[name]")
	require.Equal(t, slog.LevelWarn, least.Level())
	limited := reload("data-dir = '/d'\nmemory = '1GiB'\nmax-sessions = 7\nlog-level = 'warn'")
	require.NotContains(t, limited, "wait")
	require.Contains(t, limited, `changed="[max-sessions memory]"`)
	require.EqualValues(t, 1<<30, node.config.Memory)
	require.Equal(t, 7, node.config.MaxSessions)
	require.NotContains(t, reload("data-dir = '/d'\nlocal = ['user:7 =read']\nlog-level = 'warn'"), "wait")
	require.Len(t, node.config.Local, 1)
	shown := string(f.shown(flags)) // to who looks for what is wrong: what the node goes by now
	require.Contains(t, shown, "local = ['user:7 =read'] # "+path+":2\n")
	require.Contains(t, shown, "log-level = 'warn' # "+path+":3\n")
	require.Contains(t, shown, "memory = '256MiB' # default\n")
	node.err = &gnode.ConfigError{Setting: "tls-cert", Err: os.ErrNotExist}
	require.Contains(t, reload("data-dir = '/d'"), "--tls-cert: file does not exist")
	node.err = &gnode.ConfigError{Setting: "memory", Err: os.ErrInvalid}
	require.Contains(t, reload("data-dir = '/d'\n\n\nmemory = '1GiB'"), path+":4: memory: invalid argument", "where it stands now")
	require.Equal(t, slog.LevelWarn, least.Level())
	node.err = nil
	for _, wrong := range []string{"log-level = 'loud'", "log-level = 'info'\nraft-heartbeat = '1ms'\ndata-dir = '/d'", "log-level = 'info'"} {
		require.Contains(t, reload(wrong), "level=ERROR", wrong)
		require.Equal(t, slog.LevelWarn, least.Level(), wrong)
	}
}

type fakeNode struct {
	err    error
	config gnode.Config
}

func (n *fakeNode) Reload(c gnode.Config) error {
	n.config = c
	return n.err
}

// What local users may do is a list in a file, and one text with commas in the environment.
func TestLocalUsersAreASetting(t *testing.T) {
	want := []local.Entry{
		{User: "etl", Rules: api.Rules{{Prefix: "etl.", Rights: []api.Right{"read", "cas"}}, {Prefix: "ref.", Rights: []api.Right{"read"}}}},
		{Group: "7", Rules: api.Rules{{Rights: []api.Right{"read", "watch", "operate"}}}},
	}
	const etl, seven = "user:etl etl.=read,cas ref.=read", "group:7 =read,watch,operate"
	path := filepath.Join(t.TempDir(), "g.toml")
	require.NoError(t, os.WriteFile(path, []byte("local = ['"+etl+"', '"+seven+"']"), 0o600))
	for _, c := range []struct {
		args []string
		env  string
	}{{[]string{"--local", etl, "--local", seven}, ""}, {nil, etl + "," + seven}, {[]string{"--config", path}, ""}} {
		if c.env != "" {
			t.Setenv("GRAFNODE_LOCAL", c.env)
		} else {
			require.NoError(t, os.Unsetenv("GRAFNODE_LOCAL"))
		}
		f, flags := &agentFlags{}, pflag.NewFlagSet("agent", pflag.ContinueOnError)
		f.define(flags)
		require.NoError(t, flags.Parse(c.args))
		require.NoError(t, f.load(flags))
		require.Equal(t, want, f.config.Local, c)
	}
	require.NoError(t, os.WriteFile(path, []byte("\n\nlocal = ['etl =read']"), 0o600))
	f, flags := &agentFlags{}, pflag.NewFlagSet("agent", pflag.ContinueOnError)
	f.define(flags)
	require.NoError(t, flags.Parse([]string{"--config", path}))
	require.ErrorContains(t, f.load(flags), path+":3: local: ")
}

func TestOnHangup(t *testing.T) {
	heard := make(chan struct{}, 1)
	stop := onHangup(context.Background(), hangups(), func() { heard <- struct{}{} })
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	<-heard
	stop()
}

// The documentation of settings names all of them, and says which of them a reload applies: those, and the files that settings name.
func TestSettingsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	require.NoError(t, err)
	flags := pflag.NewFlagSet("agent", pflag.ContinueOnError)
	(&agentFlags{}).define(flags)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != config.Flag {
			_, row, found := strings.Cut(string(text), "\n| `"+f.Name+"` |")
			require.True(t, found, f.Name)
			row, _, _ = strings.Cut(row, "\n")
			named := slices.Contains([]string{"tls-ca", "tls-cert", "tls-key", "gossip-keys"}, f.Name)
			require.Equal(t, named || slices.Contains(reloadable, f.Name), strings.Contains(row, "**Reloaded**"), f.Name)
		}
	})
}

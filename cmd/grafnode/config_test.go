package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/cmd/grafnode/config"
	gnode "github.com/grafnode/grafnode/node"
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

	code, stdout, _ = command(t, "config", "validate", path, "--raft-heartbeat", "1s")
	require.Equal(t, exitOK, code)
	require.Equal(t, "the settings are valid\n", stdout)
	code, _, stderr = command(t, "config", "validate", path, "--raft-heartbeat", "1s", "--bind", "{{ GetInterfaceIP \"none0\" }}")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "--bind: ")
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
	require.Contains(t, reload("data-dir = '/d'\nmemory = '1GiB'\nlog-level = 'warn'"), "settings=[memory]")
	require.Equal(t, slog.LevelWarn, least.Level())
	node.err = &gnode.ConfigError{Setting: "tls-cert", Err: os.ErrNotExist}
	require.Contains(t, reload("data-dir = '/d'"), "--tls-cert: file does not exist")
	require.Equal(t, slog.LevelWarn, least.Level())
	node.err = nil
	for _, wrong := range []string{"log-level = 'loud'", "log-level = 'info'\nraft-heartbeat = '1ms'\ndata-dir = '/d'", "log-level = 'info'"} {
		require.Contains(t, reload(wrong), "level=ERROR", wrong)
		require.Equal(t, slog.LevelWarn, least.Level(), wrong)
	}
}

type fakeNode struct{ err error }

func (n *fakeNode) Reload() error { return n.err }

func TestOnHangup(t *testing.T) {
	heard := make(chan struct{}, 1)
	stop := onHangup(context.Background(), func() { heard <- struct{}{} })
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	<-heard
	stop()
}

// The documentation of settings names all of them, and no others.
func TestSettingsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	require.NoError(t, err)
	flags := pflag.NewFlagSet("agent", pflag.ContinueOnError)
	(&agentFlags{}).define(flags)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != config.Flag {
			require.Contains(t, string(text), "\n| `"+f.Name+"` |")
		}
	})
}

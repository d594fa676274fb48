package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// TestMain makes this test binary the command itself when it is told to: the processes of the tests are real ones.
func TestMain(m *testing.M) {
	if os.Getenv("GRAFNODE_TEST_COMMAND") != "" {
		main()
	}
	os.Exit(m.Run())
}

// command runs the command in this process.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // an agent that starts by mistake stops at once
	var out, err bytes.Buffer
	code = run(ctx, args, &out, &err)
	return code, out.String(), err.String()
}

func TestWhatIsAskedWronglyIsOneLineAndStatus2(t *testing.T) {
	t.Setenv("GRAFNODE_ADDRESS", "")
	t.Setenv("GRAFNODE_SOCKET", "")
	t.Setenv("GRAFNODE_BENCH_PEERS", "")
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, c := range []struct {
		args string
		says string
	}{
		{"agnet", `grafnode: no command "agnet"; did you mean "agent"? (see "grafnode --help")`},
		{"help agnet", `grafnode help: no command "agnet"`},
		{"help edge lst", `grafnode help: no command "edge lst"`},
		{"edge lst", `grafnode edge: no command "lst"; did you mean "list"? (see "grafnode edge --help")`},
		{"edge get", `grafnode edge get: NAME is missing (see "grafnode edge get --help")`},
		{"edge get a b", `grafnode edge get: "b" is one argument too many`},
		{"status now", `grafnode status: "now" is one argument too many`},
		{"status --adress x", `grafnode status: unknown flag: --adress (see "grafnode status --help")`},
		{"status --address nowhere", `grafnode status: --address: "nowhere" is no node: give host:port`},
		{"status --address " + file, `grafnode status: --address: ` + file + ` is not a socket`},
		{"status --address " + file + "/node.sock", `grafnode status: --address: stat ` + file},
		{"members --address " + dir + "/none.sock", `grafnode members: --address: ` + dir + `/none.sock: no such socket`},
		{"status --timeout 0s", `grafnode status: --timeout 0s: must be positive`},
		{"edge delete", `grafnode edge delete: NAME is missing`},
		{"edge delete e --expect -1", `grafnode edge delete: invalid argument "-1" for "--expect" flag`},
		{"lease get", `grafnode lease get: ID is missing`},
		{"lease revoke a b", `grafnode lease revoke: "b" is one argument too many`},
		{"operator heath", `grafnode operator: no command "heath"; did you mean "health"?`},
		{"operator health --wait -1s", `grafnode operator health: --wait -1s: must not be negative`},
		{"operator raft remove-peer", `grafnode operator raft remove-peer: NODE is missing`},
		{"operator raft transfer-leader a b", `grafnode operator raft transfer-leader: "b" is one argument too many`},
		{"operator raft recover", `grafnode operator raft recover: --data-dir and --bind are required`},
		{"operator raft recover --data-dir D --bind 127.0.0.1", `grafnode: --data-dir: no node's data directory`},
		{"operator raft recover --data-dir D --bind 127.0.0.1 --yes", `grafnode: --data-dir: no node's data directory`},
		{"operator snapshot save", `grafnode operator snapshot save: FILE is missing`},
		{"operator snapshot restore " + dir + "/none", `grafnode: open ` + dir + `/none: no such file`},
		{"operator snapshot inspect " + dir, `grafnode: ` + dir + `: is no file`},
		{"operator snapshot verify /dev/zero", `grafnode: /dev/zero: is no file`},
		{"session get", `grafnode session get: ID is missing`},
		{"edge watch --from x", `grafnode edge watch: invalid argument "x" for "--from" flag`},
		{"bench rings", `grafnode bench: no command "rings"; did you mean "ring"? (see "grafnode bench --help")`},
		{"bench ring --case oneway", `grafnode bench ring: cannot measure that: no case "oneway"; there are `},
		{"bench ring --against b-ring", `grafnode bench ring: cannot measure that: no peer "b-ring"; there are c-ring, `},
		{"bench ring --runs 0x", `grafnode bench ring: invalid argument "0x" for "--runs" flag`},
		{"bench ring --against shmipc-go", `grafnode bench ring: shmipc-go: cannot measure that: set $GRAFNODE_BENCH_PEERS, or --peers, to `},
		{"bench wire --against nats --peers " + dir, `grafnode bench wire: nats: cannot measure that: ` + dir + `/nats-server is no program; `},
		{"bench wire --case wire", `grafnode bench wire: cannot measure that: no case "wire"; there are wire/64B/batched, `},
		{"bench wire --against c-ring", `grafnode bench wire: cannot measure that: no peer "c-ring"; there are tcp`},
		{"bench wire --for 0s", `grafnode bench wire: --for 0s: must be positive`},
		{"bench registry --case cas/2", `grafnode bench registry: cannot measure that: no case "cas/2"; there are `},
		{"bench registry --against etcd", `grafnode bench registry: --against etcd: set $GRAFNODE_BENCH_PEERS, or --peers, `},
		{"bench registry --against consul --peers " + dir, `grafnode bench registry: cannot measure that: no peer "consul"; there is etcd`},
		{"bench registry --peers " + dir, `grafnode bench registry: cannot measure that: ` + dir + `/etcd is no program`},
		{"agent", `grafnode: --data-dir: is required`},
		{"agent --data-dir " + dir, `grafnode: --data-dir: ` + dir + `: has file in it but no node-id: not a grafnode data directory; give an empty one`},
		{"agent --data-dir " + file, `grafnode: --data-dir: `},
		{"agent --data-dir /proc/none", `grafnode: --data-dir: `},
		{"agent --data-dir D --bind localhost", `grafnode: --bind: "localhost" is no address: give IP or IP:port, such as 127.0.0.1:7400`},
		{"agent --data-dir D --bind 127.0.0.1:99999", `grafnode: --bind: "127.0.0.1:99999" is no address`},
		{"agent --data-dir D --bind 0.0.0.0", `grafnode: --bind: 0.0.0.0 is every address of the host`},
		{"agent --data-dir D --bind 203.0.113.7", `grafnode: --tls-cert: is missing: others reach 203.0.113.7`},
		{"agent --dev --bind 203.0.113.7", `grafnode: --bind: `}, // no address of this host
		{"agent --data-dir D --join a:b", `grafnode: --join: "a:b" is no address`},
		{"agent --data-dir D --join 127.0.0.300", `grafnode: --join: "127.0.0.300" is no address`},
		{"agent --data-dir D --join 127.0.0.1;127.0.0.2", `grafnode: --join: "127.0.0.1;127.0.0.2" is no address`},
		{"agent --data-dir D --join a..b:7400", `grafnode: --join: "a..b:7400" is no address`},
		{"agent --data-dir D --bootstrap-expect -3", `grafnode: --bootstrap-expect: -3`},
		{"agent --data-dir D --bootstrap-expect x", `grafnode agent: invalid argument "x" for "--bootstrap-expect" flag`},
		{"agent --data-dir D --zone a/b", `grafnode: --zone: "a/b" is not a name`},
		{"agent --data-dir D --memory lots", `grafnode agent: invalid argument "lots" for "--memory" flag: must be a positive whole number of bytes`},
		{"agent --data-dir D --memory 0", `grafnode agent: invalid argument "0" for "--memory" flag: must be`},
		{"agent --data-dir D --socket /" + strings.Repeat("x", 120), `grafnode: --socket: /xxx`},
		{"agent --data-dir D --log-level loud", `grafnode agent: invalid argument "loud" for "--log-level" flag: must be debug, info, warn or error`},
		{"agent --data-dir D --raft-heartbeat 1ms", `grafnode: --raft-heartbeat: 1ms: must be 50ms to 1m`},
		{"agent -dev --data-dir D", `grafnode: --dev and --data-dir: one or the other`},
		{"agent -dev --join 127.0.0.1", `grafnode: --dev is a cluster of one node`},
	} {
		args := strings.Fields(c.args)
		for i, arg := range args {
			if arg == "D" {
				args[i] = filepath.Join(dir, "fresh")
			}
		}
		code, stdout, stderr := command(t, args...)
		require.Equal(t, exitUsage, code, "%s: %s", c.args, stderr)
		require.Empty(t, stdout, c.args)
		require.Equal(t, 1, strings.Count(stderr, "\n"), "%s: %s", c.args, stderr)
		require.True(t, strings.HasPrefix(stderr, c.says), "%s:\n got %s want %s", c.args, stderr, c.says)
		require.NoFileExists(t, filepath.Join(dir, "fresh", "registry", "raft", "log.db"), c.args)
	}
}

func TestWhatFailsIsOneLineAndStatus1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	require.NoError(t, err)
	l.SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	code, stdout, stderr := command(t, "status", "--address", path)
	require.Equal(t, exitFailed, code)
	require.Empty(t, stdout)
	require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	require.Contains(t, stderr, "dead.sock")
}

func TestTheEnvironmentIsNamedWhenItIsWrong(t *testing.T) {
	t.Setenv("GRAFNODE_ADDRESS", "")
	t.Setenv("GRAFNODE_SOCKET", "/none/node.sock")
	code, _, stderr := command(t, "status")
	require.Equal(t, exitUsage, code)
	require.Equal(t, "grafnode status: $GRAFNODE_SOCKET: /none/node.sock: no such socket; is its node running?\n", stderr)
}

// verbs returns every command that is shown, as it is typed.
func verbs(cmd *cobra.Command) (leaves, groups []string) {
	for _, child := range cmd.Commands() {
		switch {
		case child.Hidden || child.Name() == "help" || child.Name() == "completion":
		case child.HasSubCommands():
			l, g := verbs(child)
			leaves, groups = append(leaves, l...), append(groups, append(g, strings.TrimPrefix(child.CommandPath(), "grafnode "))...)
		default:
			leaves = append(leaves, strings.TrimPrefix(child.CommandPath(), "grafnode "))
		}
	}
	return leaves, groups
}

func TestHelpTeaches(t *testing.T) {
	leaves, groups := verbs(newRoot())
	require.Contains(t, leaves, "operator raft recover")
	for _, verb := range leaves {
		code, stdout, stderr := command(t, append(strings.Fields(verb), "--help")...)
		require.Equal(t, exitOK, code, stderr)
		require.Contains(t, stdout, "grafnode "+verb, verb)
		if verb != "version" {
			require.Contains(t, stdout, "Examples:", verb)
		}
	}
	for _, group := range groups {
		code, stdout, stderr := command(t, strings.Fields(group)...)
		require.Equal(t, exitOK, code, stderr)
		require.Contains(t, stdout, "Available Commands:", group)
		code, _, stderr = command(t, append(strings.Fields(group), "lst")...)
		require.Equal(t, exitUsage, code, stderr)
	}
	code, stdout, _ := command(t)
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, "grafnode demo")
	_, byFlag, _ := command(t, "edge", "get", "--help")
	code, byVerb, _ := command(t, "help", "edge", "get")
	require.Equal(t, exitOK, code)
	require.Equal(t, byFlag, byVerb)
}

func TestVersion(t *testing.T) {
	code, stdout, _ := command(t, "version")
	require.Equal(t, exitOK, code)
	require.True(t, strings.HasPrefix(stdout, "grafnode 0."), stdout)
	code, stdout, _ = command(t, "version", "--json")
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, `"release"`)
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]uint64{"1": 1, "64KiB": 64 << 10, "3 MiB": 3 << 20, "4GiB": 4 << 30, "1GB": 1e9, "2T": 2 << 40, "7B": 7} {
		got, ok := parseSize(s)
		require.True(t, ok, s)
		require.Equal(t, want, got, s)
		written := memory(got)
		again, ok := parseSize(written.String())
		require.True(t, ok, s)
		require.Equal(t, want, again, s)
	}
	for _, s := range []string{"", "0", "-1", "1.5GiB", "GiB", "9999999TiB", "1XB"} {
		_, ok := parseSize(s)
		require.False(t, ok, s)
	}
}

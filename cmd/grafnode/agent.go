package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/grafnode/grafnode/cmd/grafnode/config"
	"github.com/grafnode/grafnode/internal/spool"
	"github.com/grafnode/grafnode/internal/tail"
	"github.com/grafnode/grafnode/internal/version"
	"github.com/grafnode/grafnode/node"
)

// heapFloor is asked for and never touched, so that it takes no memory: the collector begins a cycle when as much has been
// allocated as there is, and a registry that is a few megabytes and answers thousands of requests a second would be
// collected all the time. It made a fifth of a node's work under load.
const heapFloor = 64 << 20

// Of its own log a node keeps so many bytes for operators, and as many that whoever reads the log has not taken yet.
const (
	logsKept    = 1 << 20
	logsWaiting = 1 << 20
)

const (
	drainFor = 15 * time.Second // bounds an orderly departure, beside the moving of rings
	closeFor = 15 * time.Second // what systemd is told that the end takes after it
)

// agentFlags are the settings of a node: flags, each of which a file or the environment may set as well.
type agentFlags struct {
	config  node.Config
	file    string
	dev     bool
	logJSON bool
	level   slog.Level
	mu      sync.Mutex // while the node runs: what is reloaded, among the flags and in origins, is shown meanwhile
	origins config.Origins
}

func newAgent() *cobra.Command {
	f := &agentFlags{}
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run a node",
		Long: `Runs a node until it is told to stop (SIGTERM, SIGINT). Nodes find each other by gossip: the first ones, as many as
--bootstrap-expect says, found the cluster together; later ones are taken in. What makes a node itself lies in
--data-dir: with it the node comes back as the one it was, without it a new one comes.

A node uses two ports: that of --bind (TCP: Raft, API and data) and the next one (TCP and UDP: gossip). Stages
attach through its Unix socket.

Every setting below may also stand in the file that --config names, as a TOML key of the same name, in a drop-in, *.toml in
the directory that is called as the file is but ends in .d, or in the environment, as GRAFNODE_DATA_DIR for --data-dir. The
command line wins over the environment, and that over the files. SIGHUP has the files read again: certificates, keys,
limits (memory, max-...), local and log-level are applied at once, what else has changed is named in the log and waits for the next start.`,
		Example: `  # one node, nothing kept
  grafnode agent --dev

  # as its file says
  grafnode agent --config /etc/grafnode/grafnode.toml

  # three on one machine
  grafnode agent --data-dir a --bind 127.0.0.1 --zone a --bootstrap-expect 3 --join 127.0.0.1,127.0.0.2,127.0.0.3
  grafnode agent --data-dir b --bind 127.0.0.2 --zone b --bootstrap-expect 3 --join 127.0.0.1,127.0.0.2,127.0.0.3
  grafnode agent --data-dir c --bind 127.0.0.3 --zone c --bootstrap-expect 3 --join 127.0.0.1,127.0.0.2,127.0.0.3`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.define(cmd.Flags())
	return cmd
}

func (f *agentFlags) define(flags *pflag.FlagSet) {
	c := &f.config
	c.Memory = node.MemoryDefault
	flags.StringVar(&f.file, config.Flag, "", "file of settings")
	flags.StringVar(&c.DataDir, "data-dir", "", "directory of the node's own (required without --dev)")
	flags.StringVar(&c.Bind, "bind", node.BindDefault, "IP[:port] by which the other nodes reach this one, or a template of one, such as {{ GetPrivateIP }}")
	flags.StringSliceVar(&c.Join, "join", nil, "nodes to find the others by, host[:port]; repeat or separate by commas")
	flags.StringVar(&c.JoinFile, "join-file", "", "file with more of them, one on each line, read whenever others are looked for")
	flags.IntVar(&c.BootstrapExpect, "bootstrap-expect", 0, "how many nodes found the cluster; 0: wait to be taken in")
	flags.StringVar(&c.Name, "name", "", "name for people (default: the host's)")
	flags.StringVar(&c.Zone, "zone", node.ZoneDefault, "what fails together with this node: rack, room, region")
	flags.Var((*memory)(&c.Memory), "memory", "memory to lend, such as 512MiB or 4GiB")
	flags.IntVar(&c.MaxConns, "max-connections", node.ConnsDefault, "connections that the node's port accepts; three quarters of them may carry data")
	flags.IntVar(&c.MaxPeerConns, "max-peer-connections", 0, "those of one address, or of one IPv6 network (default: half of all)")
	flags.IntVar(&c.MaxSessions, "max-sessions", node.SessionsDefault, "stage processes of this host that may be connected")
	flags.StringVar(&c.TLS.CA, "tls-ca", "", "file with the certificate of the cluster's authority; see grafnode tls")
	flags.StringVar(&c.TLS.Cert, "tls-cert", "", "file with this node's certificate, of the role server")
	flags.StringVar(&c.TLS.Key, "tls-key", "", "file with its key")
	flags.StringVar(&c.GossipKeys, "gossip-keys", "", "file of the keys that gossip is encrypted with, the one that encrypts first")
	flags.StringVar(&c.Socket, "socket", "", "Unix socket for stages (default: grafnode.sock in the data directory)")
	flags.Var((*locals)(&c.Local), "local", `what other users of this host may do behind the socket, such as "user:etl etl.=read,watch,cas,lease"; repeat`)
	flags.DurationVar(&c.Heartbeat, "raft-heartbeat", node.HeartbeatDefault, "followers wait this long for a word of the leader")
	flags.DurationVar(&c.Election, "raft-election", 0, "candidates wait this long for votes (default: the heartbeat)")
	flags.DurationVar(&c.DrainFor, "drain-on-stop", 0, "when told to stop, first have the rings here moved to other nodes, for at most this long")
	flags.StringVar(&c.Fabric, "fabric", "auto", "how producers elsewhere reach the rings here: auto (by RDMA if both hosts can), tcp or rdma; EDGE=tcp after a comma for one edge")
	flags.StringSliceVar(&c.FabricTrusted, "fabric-trusted", nil, "networks whose wire strangers do not see, such as 10.1.0.0/24: auto takes RDMA there though nodes speak TLS, and records go in clear; repeat or separate by commas")
	flags.StringVar(&c.LogStore, "log-store", "auto", "how the registry's log is stored: bolt, wal or auto (as it is, else what is faster)")
	flags.Var((*endpoint)(&c.OTLPEndpoint), "otlp-endpoint", "collector of OpenTelemetry that gets a trace of each rewire, by OTLP over HTTP, such as http://127.0.0.1:4318")
	flags.BoolVar(&f.dev, "dev", false, "a cluster of this one node, in a temporary directory that goes when it stops")
	flags.BoolVar(&f.logJSON, "json", false, "log in JSON")
	flags.Var((*level)(&f.level), "log-level", "least level to log: debug, info, warn or error")
}

// load completes the flags from the files and the environment.
func (f *agentFlags) load(flags *pflag.FlagSet) (err error) {
	if f.origins, err = config.Load(flags, os.Environ()); err != nil {
		return err
	}
	if f.config.Bind, err = address(f.config.Bind); err != nil {
		return f.origins.Blame("bind", err)
	}
	return nil
}

// validate looks at the values, and not at the host.
func (f *agentFlags) validate() error {
	c := f.config
	if f.dev {
		c.DataDir, c.Insecure = os.TempDir(), true
	}
	return f.blame(c.Validate())
}

// blame says of a setting that the node refuses where it stands.
func (f *agentFlags) blame(err error) error {
	if wrong := new(node.ConfigError); errors.As(err, &wrong) {
		return f.origins.Blame(wrong.Setting, wrong.Err)
	}
	return err
}

func (f *agentFlags) run(cmd *cobra.Command) error {
	if err := f.load(cmd.Flags()); err != nil {
		return err
	}
	logLevel := new(slog.LevelVar)
	logLevel.Set(f.level)
	recent := &tail.Tail{Max: logsKept}
	log, written := f.openLog(cmd.ErrOrStderr(), recent, logLevel)
	defer written()
	f.config.Logger, f.config.Version = log, version.Release
	settings := f.config
	settings.Logs, settings.Settings = recent.Bytes, func() []byte { return f.shown(cmd.Flags()) }
	for _, name := range config.Strangers(cmd.Flags(), os.Environ()) {
		log.Debug("no setting of the agent", "variable", name)
	}
	if f.dev {
		cleanup, err := develop(&settings)
		if err != nil {
			return err
		}
		defer cleanup()
	}
	floor := make([]byte, heapFloor)
	defer runtime.KeepAlive(floor)
	n, err := node.New(settings)
	if err != nil {
		return f.blame(err)
	}
	signals := hangups() // a reload that comes while the node opens waits
	if err := n.Open(); err != nil {
		return f.blame(joinClose(err, n))
	}
	defer onHangup(cmd.Context(), signals, func() { f.reload(cmd.Flags(), logLevel, n) })()
	return serve(cmd.Context(), n, settings.DrainFor, log)
}

// serve waits for the end: a signal, which drains the node, and may take more time for that, or a failure that the node does not survive.
func serve(ctx context.Context, n *node.Node, more time.Duration, log *slog.Logger) error {
	tell(log, n.Notify())
	select {
	case err := <-n.Fatal():
		log.Error("the node cannot go on", "error", err)
		return err // without Close: it would wait for what broke, such as a disk that hangs
	case <-ctx.Done():
	}
	log.Info("stopping")
	// The rings may take longer to be moved than systemd waits by itself.
	tell(log, node.Notify(fmt.Sprintf("STOPPING=1\nEXTEND_TIMEOUT_USEC=%d", (drainFor+more+closeFor).Microseconds())))
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor+more)
	defer cancel()
	if err := n.Drain(drain); err != nil {
		log.Warn("rings were not moved", "error", err) // their edges notice, as after a crash
	}
	return n.Close()
}

func tell(log *slog.Logger, err error) {
	if err != nil {
		log.Warn("systemd was not told", "error", err)
	}
}

// develop fills in what --dev implies.
func develop(c *node.Config) (cleanup func(), err error) {
	switch {
	case c.DataDir != "":
		return nil, usagef("--dev and --data-dir: one or the other; --dev keeps nothing")
	case len(c.Join) > 0 || c.JoinFile != "" || c.BootstrapExpect > 1:
		return nil, usagef("--dev is a cluster of one node: no --join, no --join-file, no --bootstrap-expect")
	}
	if c.DataDir, err = os.MkdirTemp("", "grafnode-dev-"); err != nil {
		return nil, usagef("--dev: %w", err)
	}
	c.BootstrapExpect, c.Insecure = 1, true
	return func() {
		if err := os.RemoveAll(c.DataDir); err != nil {
			c.Logger.Warn("temporary directory is left behind", "error", err)
		}
	}, nil
}

// shown returns the settings as "grafnode config show" prints them.
func (f *agentFlags) shown(flags *pflag.FlagSet) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b bytes.Buffer
	if err := config.Show(&b, flags, f.origins); err != nil {
		return []byte(err.Error())
	}
	return b.Bytes()
}

// openLog returns a log that is kept in recent and written to out, for which nobody waits. What was said last is written when the function that it
// returns has returned.
func (f *agentFlags) openLog(out, recent io.Writer, least slog.Leveler) (log *slog.Logger, written func()) {
	unread := spool.New(out, logsWaiting, func(lines int) {
		log.Warn("lines of the log are missing: who reads it is too slow", "lines", lines)
	})
	log = f.logger(io.MultiWriter(recent, unread), least)
	unread.Open()
	return log, func() { _ = unread.Close() } // never fails
}

func (f *agentFlags) logger(to io.Writer, least slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: least}
	if f.logJSON {
		return slog.New(slog.NewJSONHandler(to, options))
	}
	return slog.New(slog.NewTextHandler(to, options))
}

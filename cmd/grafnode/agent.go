package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/internal/version"
	"github.com/grafnode/grafnode/node"
)

// heapFloor is asked for and never touched, so that it takes no memory: the collector begins a cycle when as much has been
// allocated as there is, and a registry that is a few megabytes and answers thousands of requests a second would be
// collected all the time. It made a fifth of a node's work under load.
const heapFloor = 64 << 20

// drainFor bounds an orderly departure; systemd's own patience is 90 s.
const drainFor = 15 * time.Second

type agentFlags struct {
	config   node.Config
	memory   string
	dev      bool
	logJSON  bool
	logLevel string
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
attach through its Unix socket.`,
		Example: `  # one node, nothing kept
  grafnode agent --dev

  # three on one machine
  grafnode agent --data-dir a --bind 127.0.0.1 --zone a --bootstrap-expect 3 --join 127.0.0.1,127.0.0.2,127.0.0.3
  grafnode agent --data-dir b --bind 127.0.0.2 --zone b --bootstrap-expect 3 --join 127.0.0.1,127.0.0.2,127.0.0.3
  grafnode agent --data-dir c --bind 127.0.0.3 --zone c --bootstrap-expect 3 --join 127.0.0.1,127.0.0.2,127.0.0.3`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	c, flags := &f.config, cmd.Flags()
	flags.StringVar(&c.DataDir, "data-dir", "", "directory of the node's own (required without --dev)")
	flags.StringVar(&c.Bind, "bind", node.BindDefault, "IP[:port] by which the other nodes reach this one")
	flags.StringSliceVar(&c.Join, "join", nil, "nodes to find the others by, host[:port]; repeat or separate by commas")
	flags.IntVar(&c.BootstrapExpect, "bootstrap-expect", 0, "how many nodes found the cluster; 0: wait to be taken in")
	flags.StringVar(&c.Name, "name", "", "name for people (default: the host's)")
	flags.StringVar(&c.Zone, "zone", node.ZoneDefault, "what fails together with this node: rack, room, region")
	flags.StringVar(&f.memory, "memory", "256MiB", "memory to lend, such as 512MiB or 4GiB")
	flags.StringVar(&c.Socket, "socket", "", "Unix socket for stages (default: grafnode.sock in the data directory)")
	flags.DurationVar(&c.Heartbeat, "raft-heartbeat", node.HeartbeatDefault, "followers wait this long for a word of the leader")
	flags.DurationVar(&c.Election, "raft-election", 0, "candidates wait this long for votes (default: the heartbeat)")
	flags.StringVar(&c.LogStore, "log-store", "auto", "how the registry's log is stored: bolt, wal or auto (as it is, else what is faster)")
	flags.BoolVar(&f.dev, "dev", false, "a cluster of this one node, in a temporary directory that goes when it stops")
	flags.BoolVar(&f.logJSON, "json", false, "log in JSON")
	flags.StringVar(&f.logLevel, "log-level", "info", "least level to log: debug, info, warn or error")
	return cmd
}

func (f *agentFlags) run(cmd *cobra.Command) (err error) {
	if f.config.Memory, err = parseSize(f.memory); err != nil {
		return usagef("--memory: %w", err)
	}
	if f.config.Logger, err = f.logger(cmd); err != nil {
		return err
	}
	f.config.Version = version.Release
	if f.dev {
		cleanup, err := f.develop()
		if err != nil {
			return err
		}
		defer cleanup()
	}
	floor := make([]byte, heapFloor)
	defer runtime.KeepAlive(floor)
	n, err := node.New(f.config)
	if err != nil {
		return err
	}
	if err := n.Open(); err != nil {
		return joinClose(err, n)
	}
	return serve(cmd.Context(), n, f.config.Logger)
}

// serve waits for the end: a signal, which drains the node, or a failure that the node does not survive.
func serve(ctx context.Context, n *node.Node, log *slog.Logger) error {
	tell(log, n.Notify())
	select {
	case err := <-n.Fatal():
		log.Error("the node cannot go on", "error", err)
		return err // without Close: it would wait for what broke, such as a disk that hangs
	case <-ctx.Done():
	}
	log.Info("stopping")
	tell(log, node.Notify("STOPPING=1"))
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer cancel()
	if err := n.Drain(drain); err != nil {
		log.Warn("left without a good-bye", "error", err) // as after a crash: the others will notice
	}
	return n.Close()
}

func tell(log *slog.Logger, err error) {
	if err != nil {
		log.Warn("systemd was not told", "error", err)
	}
}

// devHeartbeat is short: a node that is alone waits for it before it leads, and loses no leader to it.
const devHeartbeat = 200 * time.Millisecond

// develop fills in what --dev implies.
func (f *agentFlags) develop() (cleanup func(), err error) {
	switch {
	case f.config.DataDir != "":
		return nil, usagef("--dev and --data-dir: one or the other; --dev keeps nothing")
	case len(f.config.Join) > 0 || f.config.BootstrapExpect > 1:
		return nil, usagef("--dev is a cluster of one node: no --join, no --bootstrap-expect")
	}
	if f.config.DataDir, err = os.MkdirTemp("", "grafnode-dev-"); err != nil {
		return nil, usagef("--dev: %w", err)
	}
	f.config.BootstrapExpect = 1
	if f.config.Heartbeat == node.HeartbeatDefault {
		f.config.Heartbeat = devHeartbeat
	}
	return func() {
		if err := os.RemoveAll(f.config.DataDir); err != nil {
			f.config.Logger.Warn("temporary directory is left behind", "error", err)
		}
	}, nil
}

func (f *agentFlags) logger(cmd *cobra.Command) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return nil, usagef("--log-level: %q: must be debug, info, warn or error", f.logLevel)
	}
	options := &slog.HandlerOptions{Level: level}
	if f.logJSON {
		return slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), options)), nil
	}
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), options)), nil
}

var sizeUnits = []struct {
	suffix string
	bytes  uint64
}{ // longer suffixes before those that they end in
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}, {"B", 1}, {"", 1},
}

var errSize = errors.New("must be a positive whole number of bytes, or one with KiB, MiB, GiB or TiB")

// parseSize reads a number of bytes such as 512MiB.
func parseSize(s string) (uint64, error) {
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(s, unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 64)
		if err != nil || n == 0 || n > math.MaxInt64/unit.bytes {
			break
		}
		return n * unit.bytes, nil
	}
	return 0, fmt.Errorf("%q: %w", s, errSize)
}

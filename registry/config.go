package registry

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/hashicorp/raft"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/watchstream"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/internal/raftguard"
	"github.com/grafnode/grafnode/registry/state"
)

// Config is what a Registry needs. Zero durations and numbers become the defaults.
type Config struct {
	NodeID  locator.NodeID
	Address string           // IP:port at which peers reach Layer
	DataDir string           // the registry keeps its files in DataDir/raft
	Layer   raft.StreamLayer // carries Raft's connections; closed by Close

	// Cluster is the ID of the cluster that this node belongs to, as far as is known outside the registry; empty: none yet. Nodes of
	// other clusters, or of other lineages of this one, are not talked to.
	Cluster string

	// Heartbeat is how long a follower waits for the leader before it stands for election, Election how long an election
	// may take. Heartbeats wait in line behind the disk, so both must be well above the slowest fsync. Default 1 s.
	Heartbeat time.Duration
	Election  time.Duration

	// LogStore is how the log is stored: LogStoreBolt, LogStoreWAL, or LogStoreAuto, which is the default: as it is in DataDir, else
	// what measures better. A log of the other kind is moved at Open.
	LogStore string
	// DiskStall is how long a write may take before the node is given up. Default 10 s.
	DiskStall time.Duration
	// TrailingLogs is how many entries are kept behind a snapshot for followers that lag, SnapshotThreshold how many new
	// ones make a snapshot worth while. Defaults 65536 and 16384.
	TrailingLogs      uint64
	SnapshotThreshold uint64
	// Bookmark is how often a watch says how far it has come. Default 1.5 s, well within api.BookmarkEvery.
	Bookmark time.Duration
	// WatchChanges and WatchBytes bound the changes that are remembered for watches that are resumed or slow. Bytes are
	// estimated. Defaults 65536 and 64 MiB.
	WatchChanges, WatchBytes int

	commitTimeout time.Duration // Raft's own way to tell followers what is committed; tests do without it

	Logger *slog.Logger
	Now    func() time.Time // wall clock of proposals, shown to people; default time.Now

	// Fatal is called, at most once and from any goroutine, when this node must not go on: its disk failed or hung, an entry
	// cannot be applied, Raft is stuck in a way that only a restart mends. It should end the process, or arrange for that, and
	// must not call Close from the same goroutine. The registry answers nothing true afterwards.
	Fatal func(error)
}

func (c Config) withDefaults() Config {
	c.Heartbeat = orDefault(c.Heartbeat, time.Second)
	c.Election = orDefault(c.Election, time.Second)
	c.DiskStall = orDefault(c.DiskStall, 10*time.Second)
	c.Bookmark = orDefault(c.Bookmark, api.BookmarkEvery*3/4)
	c.WatchChanges = orDefault(c.WatchChanges, watchstream.ChangesMax)
	c.WatchBytes = orDefault(c.WatchBytes, watchstream.BytesMax)
	c.TrailingLogs = orDefault(c.TrailingLogs, 1<<16)
	c.SnapshotThreshold = orDefault(c.SnapshotThreshold, 1<<14)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Validate reports what is missing or out of range.
func (c Config) Validate() error {
	if err := state.CheckID("node ID", c.NodeID); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	if _, err := netip.ParseAddrPort(c.Address); err != nil {
		return fmt.Errorf("registry: address: %w", err)
	}
	switch {
	case c.DataDir == "":
		return errors.New("registry: no data directory")
	case c.Layer == nil:
		return errors.New("registry: no stream layer")
	case c.Fatal == nil:
		return errors.New("registry: no Fatal: somebody has to end the process when the disk fails")
	case raftguard.Kind(c.LogStore).Validate() != nil:
		return fmt.Errorf("registry: log store: %w", raftguard.Kind(c.LogStore).Validate())
	case c.Heartbeat < 10*time.Millisecond || c.Election < c.Heartbeat:
		return fmt.Errorf("registry: heartbeat %v, election %v: at least 10ms, and the election not shorter", c.Heartbeat, c.Election)
	}
	return nil
}

// raft returns Raft's own configuration.
func (c Config) raft() *raft.Config {
	rc := raft.DefaultConfig()
	rc.LocalID = raft.ServerID(c.NodeID)
	rc.HeartbeatTimeout, rc.ElectionTimeout = c.Heartbeat, c.Election
	rc.LeaderLeaseTimeout = c.Heartbeat * 9 / 10 // heartbeats wait behind fsyncs, so the default of half would depose healthy leaders
	// Followers learn of commits from raftguard at once; this is for what it missed, and the pulse of an idle cluster.
	rc.CommitTimeout = orDefault(c.commitTimeout, time.Second)
	rc.MaxAppendEntries = 256
	rc.BatchApplyCh = true
	rc.TrailingLogs, rc.SnapshotThreshold = c.TrailingLogs, c.SnapshotThreshold
	rc.SnapshotInterval = time.Minute
	often(rc)
	rc.NoLegacyTelemetry = true
	rc.ShutdownOnRemove = true
	return rc
}

package registry

import (
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"

	"github.com/grafnode/grafnode/registry/internal/raftguard"
)

// How the log may be stored; see Config.LogStore.
const (
	LogStoreBolt = string(raftguard.KindBolt)
	LogStoreWAL  = string(raftguard.KindWAL)
	LogStoreAuto = string(raftguard.KindAuto)
)

// files are what Raft keeps on the disk, under DataDir/raft.
type files struct {
	store     *raftguard.Store
	snapshots *raft.FileSnapshotStore
}

// openFiles opens Raft's files and checks what Raft will read of them. A damaged entry is an error here; Raft would panic.
func openFiles(dataDir, logStore string, stall time.Duration, fatal func(error), logger *slog.Logger) (f files, err error) {
	dir := filepath.Join(dataDir, "raft")
	f.store, err = raftguard.OpenStore(raftguard.StoreConfig{
		Dir: dir, Kind: raftguard.Kind(logStore), Stall: stall, Fatal: fatal, Logger: logger,
	})
	if err != nil {
		return files{}, err
	}
	f.snapshots = f.store.Snapshots()
	if err := f.store.Verify(); err != nil {
		return files{}, errors.Join(err, f.store.Close())
	}
	return f, nil
}

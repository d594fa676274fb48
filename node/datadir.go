package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/grafnode/grafnode/internal/atomicfile"
	"github.com/grafnode/grafnode/internal/filelock"
	"github.com/grafnode/grafnode/locator"
)

// What lies in a data directory. The registry and the block regions have directories of their own beside these.
const (
	fileNodeID    = "node-id"
	fileClusterID = "cluster-id"
	fileFounder   = "founder"
	fileLock      = "lock"
	filePeers     = "peers.json"
	dirRegistry   = "registry"
	dirBlocks     = "blocks"
	fileSocket    = "grafnode.sock"
)

// dataDir is a node's own directory, held against every other process for as long as it is open.
type dataDir struct {
	path string
	lock *os.File
	id   locator.NodeID

	mu    sync.Mutex
	bound string // what fileClusterID says
}

// openDataDir locks path, creating it if it is missing, and reads the node's identity, or makes one if the directory is
// empty. A directory with other things in it and no identity is refused: it is more likely a slip than a wish.
func openDataDir(path string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := refuseForeign(path); err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(path, fileLock))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	d := &dataDir{path: path, lock: lock}
	if err := errors.Join(d.identify(), d.readCluster()); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// lockFile opens path and locks it until the file is closed, which the death of the process does too.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = filelock.Try(f)
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, filelock.ErrLocked):
		err = errors.New("in use by another grafnode agent; stop it or give another directory")
	}
	return nil, errors.Join(err, f.Close())
}

func refuseForeign(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	foreign := ""
	for _, entry := range entries {
		switch name := entry.Name(); {
		case name == fileNodeID:
			return nil
		case name == fileLock || name == "lost+found":
		case strings.HasPrefix(name, fileNodeID): // an agent was killed while it made itself at home
		default:
			foreign = name
		}
	}
	if foreign != "" {
		return fmt.Errorf("%s: has %s in it but no %s: not a grafnode data directory; give an empty one",
			path, foreign, fileNodeID)
	}
	return nil
}

func (d *dataDir) identify() error {
	b, err := os.ReadFile(d.file(fileNodeID))
	if errors.Is(err, fs.ErrNotExist) {
		id := uuid.NewString()
		if err := atomicfile.Write(d.file(fileNodeID), []byte(id+"\n")); err != nil {
			return fmt.Errorf("%s: %w", d.path, err)
		}
		d.id = locator.NodeID(id)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	id, err := uuid.Parse(strings.TrimSpace(string(b)))
	if err != nil {
		return fmt.Errorf("%s: %s is damaged (%w); wipe the directory and join as a new node",
			d.path, fileNodeID, err)
	}
	d.id = locator.NodeID(id.String())
	return nil
}

// readCluster reads which cluster this directory belongs to, if any.
func (d *dataDir) readCluster() error {
	b, err := os.ReadFile(d.file(fileClusterID))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	d.bound = strings.TrimSpace(string(b))
	return nil
}

// cluster returns the ID of the cluster that this directory belongs to, and "" while it belongs to none.
func (d *dataDir) cluster() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bound
}

// bind ties the directory to a cluster, once: a directory of another cluster is refused.
func (d *dataDir) bind(cluster string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch d.bound {
	case cluster:
		return nil
	case "":
		if err := atomicfile.Write(d.file(fileClusterID), []byte(cluster+"\n")); err != nil {
			return fmt.Errorf("%s: %w", d.path, err)
		}
		d.bound = cluster
		return nil
	default:
		return fmt.Errorf("%s: belongs to cluster %s, and the nodes found are of cluster %s; check --join, or give an empty one",
			d.path, d.bound, cluster)
	}
}

// rebind ties the directory to its cluster under a new ID, which a recovery has given it.
func (d *dataDir) rebind(cluster string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := atomicfile.Write(d.file(fileClusterID), []byte(cluster+"\n")); err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	d.bound = cluster
	return nil
}

func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// close gives the lock back. The lock file stays: removing it would let two agents lock two files of one name.
func (d *dataDir) close() error { return d.lock.Close() }

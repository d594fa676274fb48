package raftguard

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/types"
)

// mover opens the log in the kind that is wanted, and moves it there first if it is of another. Wherever it is interrupted, the
// next open finds the old log or the new one, whole: what is copied counts only from the transaction on that says so.
type mover struct {
	dir     string
	bolt    *raftboltdb.BoltStore
	logger  *slog.Logger
	segment int
	vfs     types.VFS
	step    func(string) // after each durable step; tests look at the directory then
}

func (m mover) open(want Kind) (Kind, logStore, error) {
	have, err := whereabouts(m.bolt)
	if err != nil {
		return "", nil, err
	}
	if err := m.clean(have); err != nil {
		return "", nil, err
	}
	kind := want.wanted(have)
	if have != "" && have != kind {
		m.logger.Info("moving raft's log", "from", have, "to", kind)
	}
	switch {
	case kind == KindWAL && have == KindWAL:
		logs, err := m.existing()
		return kind, logs, err
	case kind == KindWAL:
		logs, err := m.toWAL()
		return kind, logs, err
	case have == KindWAL:
		return kind, m.bolt, m.toBolt()
	default:
		return kind, m.bolt, nil
	}
}

// existing opens the WAL that must be there: an empty one in its place would be a log that has forgotten everything.
func (m mover) existing() (logStore, error) {
	if _, err := os.Stat(filepath.Join(m.walDir(), metadb.FileName)); err != nil {
		return nil, fmt.Errorf("%s: raft's log is not where it was: %w: %w; wipe the data directory and let the node join as a new one",
			m.dir, ErrCorrupt, err)
	}
	return openWAL(m.walDir(), m.segment, m.vfs, m.logger)
}

func (m mover) walDir() string { return filepath.Join(m.dir, dirWAL) }

// clean removes what an interrupted move has left.
func (m mover) clean(have Kind) error {
	if have != KindWAL {
		return os.RemoveAll(m.walDir())
	}
	if first, err := m.bolt.FirstIndex(); err != nil || first == movedIndex {
		return err
	}
	return m.bolt.DeleteRange(0, movedIndex-1)
}

func (m mover) toWAL() (logStore, error) {
	logs, err := openWAL(m.walDir(), m.segment, m.vfs, m.logger)
	if err != nil {
		return nil, err
	}
	m.step("wal made")
	err = m.copy(m.bolt, logs)
	if err == nil {
		err = m.bolt.StoreLog(moved()) // from here on the log is there
	}
	if err == nil {
		m.step("log moved to wal")
		err = m.clean(KindWAL)
		m.step("bolt emptied")
	}
	if err != nil {
		return nil, errors.Join(err, logs.Close())
	}
	return logs, nil
}

func (m mover) toBolt() error {
	logs, err := m.existing()
	if err != nil {
		return err
	}
	if err := errors.Join(m.copy(logs, m.bolt), logs.Close()); err != nil {
		return err
	}
	if err := m.bolt.DeleteRange(movedIndex, movedIndex); err != nil { // from here on the log is here
		return err
	}
	m.step("log moved to bolt")
	return m.clean(KindBolt)
}

// copyBatch bounds a step of the copying, entries.
const copyBatch = 256

func (m mover) copy(from, to raft.LogStore) error {
	first, err := from.FirstIndex()
	if err != nil {
		return err
	}
	last, err := from.LastIndex()
	if err != nil {
		return err
	}
	batch := make([]*raft.Log, 0, copyBatch)
	for i := first; i <= last && last != 0; i++ {
		entry, err := readEntry(from, i)
		if err != nil {
			return fmt.Errorf("%s: moving the log: %w", m.dir, err)
		}
		if batch = append(batch, &entry); len(batch) < copyBatch && i < last {
			continue
		}
		if err := to.StoreLogs(sealed(batch)); err != nil {
			return err
		}
		m.step("entries copied")
		batch = batch[:0]
	}
	return nil
}

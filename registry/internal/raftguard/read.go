package raftguard

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	bolterrors "go.etcd.io/bbolt/errors"
)

// readEntry reads one entry and checks it. What is wrong with it names the index; raft.ErrLogNotFound does not.
func readEntry(from raft.LogStore, index uint64) (entry raft.Log, err error) {
	err = decode(func() error { return from.GetLog(index, &entry) })
	if errors.Is(err, raft.ErrLogNotFound) || isClosed(err) {
		return entry, err
	}
	if err != nil {
		return entry, fmt.Errorf("log entry %d cannot be read: %w: %w", index, ErrCorrupt, err)
	}
	if err := unseal(index, &entry); err != nil {
		return entry, fmt.Errorf("log entry %d %w", index, err)
	}
	return entry, nil
}

// decode turns a panic into an error: raft-wal v0.4.1 reads a length that was damaged and slices by it.
func decode(read func() error) (err error) {
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, broken)
		}
	}()
	return read()
}

func isClosed(err error) bool {
	return errors.Is(err, bolterrors.ErrDatabaseNotOpen) || errors.Is(err, wal.ErrClosed)
}

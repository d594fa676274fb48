package durable

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/atomicfile"
	"github.com/grafnode/grafnode/internal/filelock"
)

// File is a Region in a local file: durable as that host's disk, and shared by the processes of one host. The file has the
// bytes; beside it, at the path with ".epoch" added, stands the fence epoch. A lock on the file makes check and write one
// step: a process that was stopped in the middle of a write keeps it, so its successor waits until it goes on or ends,
// rather than be overwritten.
type File struct {
	path string
	turn chan struct{} // holds one token while a method of this File has the lock, which knows processes only
	file *os.File

	writes fence.Epoch // epoch of the last write through this File
	number uint64      // and its number
}

// lockEvery is how long a File waits before it tries for the lock again.
const lockEvery = 2 * time.Millisecond

// OpenFile opens the region at path, creating it with size zero bytes if there is none.
func OpenFile(path string, size int64) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("durable: %w", err)
	}
	r := &File{path: path, turn: make(chan struct{}, 1), file: f}
	if err := r.locked(context.Background(), func() error { return r.format(size) }); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

func (f *File) format(size int64) error {
	info, err := f.file.Stat()
	if err != nil {
		return fmt.Errorf("durable: %w", err)
	}
	switch info.Size() {
	case size:
		return nil
	case 0:
		return errors.Join(f.file.Truncate(size), f.file.Sync(), atomicfile.SyncDir(filepath.Dir(f.path)))
	}
	return fmt.Errorf("durable: %s has %d bytes, not %d: %w", f.path, info.Size(), size, api.ErrInvalid)
}

// Size implements Region.
func (f *File) Size() int64 {
	info, err := f.file.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// Fence implements Region.
func (f *File) Fence(ctx context.Context, epoch fence.Epoch) error {
	return f.locked(ctx, func() error {
		now, err := f.epoch()
		if err != nil || epoch == now {
			return err
		}
		guard := fence.Guard{Current: now}
		if err := guard.Admit(epoch); err != nil {
			return fmt.Errorf("durable: %s: %w", f.path, err)
		}
		return f.setEpoch(epoch)
	})
}

// ReadAt implements Region.
func (f *File) ReadAt(_ context.Context, b []byte, offset int64) error {
	if _, err := f.file.ReadAt(b, offset); err != nil {
		return fmt.Errorf("durable: %w", err)
	}
	return nil
}

// WriteAt implements Region. Numbers are compared within this File alone: a write here is over when its call is, so that of
// another process is never late.
func (f *File) WriteAt(ctx context.Context, epoch fence.Epoch, number uint64, b []byte, offset int64) error {
	return f.locked(ctx, func() error {
		now, err := f.epoch()
		if err != nil {
			return err
		}
		if err := (&fence.Guard{Current: now}).Check(epoch); err != nil {
			return fmt.Errorf("durable: %s: %w", f.path, err)
		}
		if number == 0 || epoch == f.writes && number <= f.number {
			return fmt.Errorf("durable: %s: write %d of epoch %d after write %d: %w", f.path, number, epoch, f.number, api.ErrConflict)
		}
		if offset < 0 || offset+int64(len(b)) > f.Size() {
			return fmt.Errorf("durable: %s: %d bytes at %d are outside: %w", f.path, len(b), offset, api.ErrInvalid)
		}
		f.writes, f.number = epoch, number
		if _, err := f.file.WriteAt(b, offset); err != nil {
			return fmt.Errorf("durable: %w", err)
		}
		return f.file.Sync()
	})
}

// Close closes the file. The region stays.
func (f *File) Close() error { return f.file.Close() }

func (f *File) locked(ctx context.Context, do func() error) error {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for {
		err := filelock.Try(f.file)
		switch {
		case err == nil:
			defer func() { _ = filelock.Unlock(f.file) }()
			return do()
		case !errors.Is(err, filelock.ErrLocked):
			return fmt.Errorf("durable: lock %s: %w", f.path, err)
		}
		if err := pause(ctx, lockEvery); err != nil {
			return err
		}
	}
}

func (f *File) epochPath() string { return f.path + ".epoch" }

func (f *File) epoch() (fence.Epoch, error) {
	b, err := os.ReadFile(f.epochPath())
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("durable: %w", err)
	}
	digits, whole := strings.CutSuffix(string(b), "\n")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || !whole {
		return 0, fmt.Errorf("durable: %s is no epoch: %q: %w", f.epochPath(), b, api.ErrCorrupt)
	}
	return fence.Epoch(n), nil
}

func (f *File) setEpoch(epoch fence.Epoch) error {
	if err := atomicfile.Write(f.epochPath(), fmt.Appendln(nil, epoch)); err != nil {
		return fmt.Errorf("durable: %w", err)
	}
	return nil
}

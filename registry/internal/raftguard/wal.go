package raftguard

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"

	"github.com/grafnode/grafnode/internal/atomicfile"
)

// dirWAL holds the log's segments, if it is of KindWAL.
const dirWAL = "wal"

// segmentSize is how much of the disk a segment takes, from its creation on.
const segmentSize = 16 << 20

// openWAL opens the log in dir, or makes one.
func openWAL(dir string, size int, vfs types.VFS, logger *slog.Logger) (logStore, error) {
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	w, err := wal.Open(dir, wal.WithSegmentSize(size), wal.WithLogger(Logger(logger)),
		wal.WithSegmentFiler(&filer{Filer: segment.NewFiler(dir, vfs), dir: dir, vfs: vfs}))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return walLog{w}, nil
}

// walLog hides entries that were deleted at the front: raft-wal v0.4.1 goes on returning those of its newest segment until it is
// opened again.
type walLog struct{ *wal.WAL }

func (w walLog) GetLog(index uint64, log *raft.Log) error {
	if first, err := w.FirstIndex(); err != nil {
		return err
	} else if index < first {
		return raft.ErrLogNotFound
	}
	return w.WAL.GetLog(index, log)
}

// filer mends what raft-wal v0.4.1 cannot: it seals a segment with an entry's write and notes that in its metadata in a second
// step. A process that is killed in between finds the segment sealed and not noted, and raft-wal refuses every later write
// ("segment is sealed"), on that start and all others. The same if the sealing write was torn.
type filer struct {
	*segment.Filer
	dir string
	vfs types.VFS
}

// RecoverTail opens the newest segment. If it is sealed, its entries are copied into a new one that is not, which then takes its
// place in one step.
func (f *filer) RecoverTail(info types.SegmentInfo) (types.SegmentWriter, error) {
	w, err := f.Filer.RecoverTail(info)
	if err != nil {
		return nil, err
	}
	sealed, _, err := w.Sealed()
	if !sealed && err == nil {
		return w, nil
	}
	if err = errors.Join(err, w.Close()); err == nil {
		err = f.unseal(info)
	}
	if err != nil {
		return nil, fmt.Errorf("unsealing %s: %w", segment.FileName(info), err)
	}
	return f.Filer.RecoverTail(info)
}

func (f *filer) unseal(info types.SegmentInfo) error {
	info.MinIndex = info.BaseIndex // entries that were deleted at the front are copied too: their places count
	from, err := f.Filer.RecoverTail(info)
	if err != nil {
		return err
	}
	defer from.Close()
	tmp := filepath.Join(f.dir, "unsealing")
	if err := errors.Join(os.RemoveAll(tmp), os.Mkdir(tmp, 0o700)); err != nil {
		return err
	}
	larger := info
	larger.SizeLimit *= 2 // so that it is not sealed again; the limit is not stored in the file
	to, err := segment.NewFiler(tmp, f.vfs).Create(larger)
	if err != nil {
		return err
	}
	if err := errors.Join(copySegment(info, from, to), to.Close()); err != nil {
		return err
	}
	name := segment.FileName(info)
	if err := os.Rename(filepath.Join(tmp, name), filepath.Join(f.dir, name)); err != nil {
		return err
	}
	return errors.Join(atomicfile.SyncDir(f.dir), os.Remove(tmp))
}

// copySegment copies all entries, as one batch: all or nothing.
func copySegment(info types.SegmentInfo, from types.SegmentReader, to types.SegmentWriter) error {
	var entries []types.LogEntry
	for index := info.BaseIndex; ; index++ {
		b, err := from.GetLog(index)
		if errors.Is(err, types.ErrNotFound) {
			break
		}
		if err != nil {
			return err
		}
		entries = append(entries, types.LogEntry{Index: index, Data: append([]byte(nil), b.Bs...)})
		_ = b.Close() // gives a buffer back
	}
	return to.Append(entries)
}

// makeDir makes a directory durably.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(dir))
}

var diskFS types.VFS = fs.New()

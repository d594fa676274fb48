package registry

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry/state"
)

// A backup is what SaveSnapshot writes and RestoreSnapshot reads:
//
//	offset  bytes  what
//	0       16     "grafnode-backup\n"
//	16      4      length of the head, little-endian
//	20      n      head: SnapshotInfo as JSON, for people and tools
//	..      ..     the state, as Raft's own snapshots hold it (state.State.Write)
//	-32     32     SHA-256 of all before
//
// A state alone, as v0.1.0 and Raft keep it on disk, is read too: it has checksums of its own, but not when it was taken.

const (
	backupMagic   = "grafnode-backup\n"
	backupHead    = len(backupMagic) + 4
	backupHeadMax = 1 << 16
)

// SnapshotInfo says what is in a snapshot.
type SnapshotInfo = api.SnapshotInfo

// SaveSnapshot writes the registry to w, as of now: everything that was acknowledged before the call is in it. Writers are
// not held up, however slow w is. Leader only.
func (r *Registry) SaveSnapshot(ctx context.Context, w io.Writer) (SnapshotInfo, error) {
	if err := r.Read(ctx, api.Strict); err != nil {
		return SnapshotInfo{}, err
	}
	info, err := writeBackup(w, r.State(), r.cfg.Now())
	if err != nil {
		return SnapshotInfo{}, fmt.Errorf("save a snapshot: %w", err)
	}
	return info, nil
}

func writeBackup(w io.Writer, s *state.State, now time.Time) (SnapshotInfo, error) {
	info := s.Describe()
	info.Taken = now.UTC()
	head, err := json.Marshal(info)
	if err != nil {
		return info, err
	}
	out := &summed{w: w, sum: sha256.New()}
	start := binary.LittleEndian.AppendUint32([]byte(backupMagic), uint32(len(head)))
	if _, err := out.Write(append(start, head...)); err != nil {
		return info, err
	}
	if err := s.Write(out); err != nil {
		return info, err
	}
	sum := out.sum.Sum(nil)
	if _, err := w.Write(sum); err != nil {
		return info, err
	}
	info.Sum, info.Bytes = hex.EncodeToString(sum), out.n+sha256.Size
	return info, nil
}

// InspectSnapshot reads a snapshot to its end and checks all of it: api.ErrCorrupt if it is not what was saved.
func InspectSnapshot(r io.Reader) (SnapshotInfo, error) {
	_, info, err := readBackup(r)
	return info, err
}

// readBackup reads a backup, or a state alone.
func readBackup(r io.Reader) (*state.State, SnapshotInfo, error) {
	in := &reading{r: r, sum: sha256.New()}
	buffered := bufio.NewReaderSize(in, 1<<16)
	start, err := buffered.Peek(len(backupMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, SnapshotInfo{}, fmt.Errorf("snapshot: %w", err)
	}
	switch {
	case string(start) == backupMagic:
		return readFramed(buffered, in)
	case len(start) > 0 && start[0] == backupMagic[0]: // no frame begins like that
		return nil, SnapshotInfo{}, fmt.Errorf("snapshot: begins with %q: %w", start, api.ErrCorrupt)
	default:
		s, err := state.Read(buffered)
		if err != nil {
			return nil, SnapshotInfo{}, err
		}
		info := s.Describe()
		info.Bytes, info.Sum = in.n, hex.EncodeToString(in.sum.Sum(nil))
		return s, info, nil
	}
}

func readFramed(buffered *bufio.Reader, in *reading) (*state.State, SnapshotInfo, error) {
	sum := sha256.New()
	body := io.TeeReader(&withoutEnd{buffered, sha256.Size}, sum)
	said, err := readHead(body)
	if err != nil {
		return nil, SnapshotInfo{}, fmt.Errorf("snapshot: %w", err)
	}
	s, err := state.Read(body)
	if err != nil {
		return nil, SnapshotInfo{}, err
	}
	var end [sha256.Size]byte
	if _, err := io.ReadFull(buffered, end[:]); err != nil {
		return nil, SnapshotInfo{}, fmt.Errorf("snapshot: its checksum is cut off: %w", api.ErrCorrupt)
	}
	if got := sum.Sum(nil); !bytes.Equal(got, end[:]) {
		return nil, SnapshotInfo{}, fmt.Errorf("snapshot: checksum %x, computed %x: %w", end, got, api.ErrCorrupt)
	}
	info := s.Describe()
	info.Taken = said.Taken
	if said != info {
		return nil, SnapshotInfo{}, fmt.Errorf("snapshot: says %+v, holds %+v: %w", said, info, api.ErrCorrupt)
	}
	info.Bytes, info.Sum = in.n, hex.EncodeToString(end[:])
	return s, info, nil
}

func readHead(r io.Reader) (SnapshotInfo, error) {
	var start [backupHead]byte
	if _, err := io.ReadFull(r, start[:]); err != nil {
		return SnapshotInfo{}, fmt.Errorf("cut off: %w", api.ErrCorrupt)
	}
	n := binary.LittleEndian.Uint32(start[len(backupMagic):])
	if n > backupHeadMax {
		return SnapshotInfo{}, fmt.Errorf("head of %d bytes, at most %d: %w", n, backupHeadMax, api.ErrCorrupt)
	}
	head := make([]byte, n)
	if _, err := io.ReadFull(r, head); err != nil {
		return SnapshotInfo{}, fmt.Errorf("cut off: %w", api.ErrCorrupt)
	}
	var info SnapshotInfo
	if err := json.Unmarshal(head, &info); err != nil {
		return SnapshotInfo{}, fmt.Errorf("head: %w: %w", api.ErrCorrupt, err)
	}
	return info, nil
}

// summed sums up and counts what is written.
type summed struct {
	w   io.Writer
	sum hash.Hash
	n   int64
}

func (s *summed) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	s.sum.Write(b[:n])
	s.n += int64(n)
	return n, err
}

// reading sums up and counts what is read.
type reading struct {
	r   io.Reader
	sum hash.Hash
	n   int64
}

func (c *reading) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.sum.Write(b[:n])
	c.n += int64(n)
	return n, err
}

// withoutEnd reads all but the last keep bytes, which stay in the buffer.
type withoutEnd struct {
	r    *bufio.Reader
	keep int
}

func (w *withoutEnd) Read(b []byte) (int, error) {
	ahead, err := w.r.Peek(min(len(b), w.r.Size()-w.keep) + w.keep)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if len(ahead) <= w.keep {
		return 0, io.EOF
	}
	n := copy(b, ahead[:len(ahead)-w.keep])
	_, err = w.r.Discard(n)
	return n, err
}

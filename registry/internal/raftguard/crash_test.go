package raftguard

import (
	"bufio"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
	"github.com/stretchr/testify/require"
)

// spyFS calls step before and after everything that changes the disk, and in the middle of each write.
type spyFS struct {
	types.VFS
	step func()
}

type spyFile struct {
	types.WritableFile
	step func()
}

func (s spyFS) Create(dir, name string, size uint64) (types.WritableFile, error) {
	s.step()
	f, err := s.VFS.Create(dir, name, size)
	s.step()
	return spyFile{f, s.step}, err
}

func (s spyFS) OpenWriter(dir, name string) (types.WritableFile, error) {
	f, err := s.VFS.OpenWriter(dir, name)
	return spyFile{f, s.step}, err
}

func (s spyFS) Delete(dir, name string) error {
	s.step()
	err := s.VFS.Delete(dir, name)
	s.step()
	return err
}

func (f spyFile) WriteAt(b []byte, at int64) (int, error) {
	for _, n := range []int{0, len(b) / 3, len(b) - 1, len(b)} { // torn in several places
		if _, err := f.WritableFile.WriteAt(b[:n], at); err != nil {
			return 0, err
		}
		f.step()
	}
	return len(b), nil
}

func (f spyFile) Sync() error {
	err := f.WritableFile.Sync()
	f.step()
	return err
}

// Whatever was on the disk at any step of raft-wal's writes, cuts and changes of segment, opens to a log that has everything that was
// acknowledged, and takes more. Without filer it does not: raft-wal alone refuses to write to some of these.
func TestWALSurvivesAKillAtEveryStep(t *testing.T) {
	const size = 1 << 10
	dir := t.TempDir()
	first, acked, stuck, images := uint64(1), uint64(0), 0, 0
	busy := false // opening an image steps too
	var logs logStore
	look := func() {
		if busy {
			return
		}
		busy = true
		defer func() { busy = false }()
		images++
		// On raft-wal's own goroutine too, so that nothing here may end it.
		if err := checkImage(copyDir(t, dir), size, first, acked); err != nil {
			t.Errorf("image %d: %v", images, err)
		}
		if !writable(copyDir(t, dir), size) {
			stuck++
		}
	}
	logs, err := openWAL(dir, size, spyFS{diskFS, look}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	write := func(n uint64) {
		for i, last := acked+1, acked+n; i <= last; i++ {
			require.NoError(t, logs.StoreLogs(sealed(run(i, i))))
			acked = i
		}
	}
	write(12)
	acked = 9 // from here on the rest may be gone
	require.NoError(t, logs.DeleteRange(10, 12))
	write(8)
	first = 7 // from here on what is before may be gone
	require.NoError(t, logs.DeleteRange(1, 6))
	write(6)
	require.NoError(t, logs.Close())
	require.Greater(t, images, 100)
	require.NotZero(t, stuck, "raft-wal alone does as well: filer is not needed any more")
	t.Logf("%d images, %d of which raft-wal alone would not write to again", images, stuck)
}

// checkImage opens a copy of the log: it begins at first or before, ends at acked or beyond, and takes one more.
func checkImage(dir string, size int, first, acked uint64) error {
	logs, err := openWAL(dir, size, diskFS, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer logs.Close()
	a, _ := logs.FirstIndex() // these two fail on closed logs only
	b, _ := logs.LastIndex()
	if a > max(first, 1) || b < acked {
		return fmt.Errorf("the log is from %d to %d, must be from %d to %d", a, b, first, acked)
	}
	for i := max(a, 1); i <= b; i++ {
		entry, err := readEntry(logs, i)
		if err != nil {
			return err
		}
		if string(entry.Data) != string(numbered(i).Data) {
			return fmt.Errorf("entry %d is %q", i, entry.Data)
		}
	}
	return logs.StoreLogs(sealed(run(b+1, b+1)))
}

// writable reports whether raft-wal alone would write to a copy of the log.
func writable(dir string, size int) bool {
	w, err := wal.Open(dir, wal.WithSegmentSize(size), wal.WithLogger(Logger(slog.New(slog.DiscardHandler))),
		wal.WithSegmentFiler(segment.NewFiler(dir, diskFS)))
	if err != nil {
		return false
	}
	defer w.Close()
	last, _ := w.LastIndex()
	return w.StoreLogs(run(last+1, last+1)) == nil
}

const childVariable = "RAFTGUARD_CHILD"

// TestChildWrites is the process that is killed: it writes and says what it has been promised.
func TestChildWrites(t *testing.T) {
	dir := os.Getenv(childVariable)
	if dir == "" {
		t.Skip("runs as the child of TestKilledWhileWriting")
	}
	s := reopen(t, dir, Kind(os.Getenv(childVariable+"_KIND")))
	last, err := s.LastIndex()
	require.NoError(t, err)
	for i := last + 1; ; i += 3 {
		require.NoError(t, s.StoreLogs(run(i, i+2)))
		require.NoError(t, s.SetUint64([]byte("CurrentTerm"), i))
		fmt.Printf("acked %d\n", i+2)
		if i%50 == 0 {
			require.NoError(t, s.DeleteRange(i-20, i+2)) // as a follower does that had what the leader has not
			i -= 23
		}
	}
}

// Killed for good, at any moment, each kind of store opens to what it had acknowledged.
func TestKilledWhileWriting(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	for _, kind := range []Kind{KindBolt, KindWAL} {
		t.Run(string(kind), func(t *testing.T) {
			dir := t.TempDir()
			for range 8 {
				acked := killedChild(t, dir, kind)
				s := reopen(t, dir, KindAuto)
				require.NoError(t, s.Verify())
				last, err := s.LastIndex()
				require.NoError(t, err)
				require.GreaterOrEqual(t, last+23, acked)
				requireLog(t, s, 1, last)
				_, err = s.GetUint64([]byte("CurrentTerm"))
				require.NoError(t, err)
				require.NoError(t, s.Close())
			}
		})
	}
}

// killedChild runs the child for a while and returns the last index that it was promised.
func killedChild(t *testing.T, dir string, kind Kind) (acked uint64) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestChildWrites$")
	cmd.Env = append(os.Environ(), childVariable+"="+dir, childVariable+"_KIND="+string(kind))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		var said uint64
		if _, err := fmt.Sscanf(lines.Text(), "acked %d", &said); err != nil {
			continue
		}
		acked = said
		if n == 5 {
			time.AfterFunc(rand.N(30*time.Millisecond), func() { _ = cmd.Process.Kill() })
		}
	}
	require.Error(t, cmd.Wait())
	require.NotZero(t, acked)
	return acked
}

// decoded is a log store that has one entry, in the bytes of one kind of store.
type decoded struct {
	raft.LogStore
	decode func(*raft.Log) error
}

func (d decoded) GetLog(_ uint64, log *raft.Log) error { return d.decode(log) }

func FuzzStoredEntry(f *testing.F) {
	for i := range uint64(3) {
		for _, kind := range []Kind{KindBolt, KindWAL} {
			b, err := encodeEntry(kind, sealed(run(i, i))[0])
			require.NoError(f, err)
			f.Add(string(kind), b, i)
		}
	}
	f.Add("wal", []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), uint64(1))
	f.Fuzz(func(t *testing.T, kind string, b []byte, index uint64) {
		entry, err := readEntry(decoded{decode: func(log *raft.Log) error { return decodeEntry(Kind(kind), b, log) }}, index)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			require.Contains(t, err.Error(), "log entry "+strconv.FormatUint(index, 10)+" ")
			return
		}
		require.Equal(t, index, entry.Index)
	})
}

package blocks

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestWhatIsWrittenSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	require.NoError(t, s.Create("r1", 8192))
	require.NoError(t, s.Write("r1", 3, 7, 4096, []byte("hello")))
	require.NoError(t, s.Close())

	s = open(t, dir)
	require.Equal(t, []lease.ID{"r1"}, s.IDs())
	b, err := s.Read("r1", 4096, 5)
	require.NoError(t, err)
	require.Equal(t, "hello", string(b))
	require.ErrorIs(t, s.Write("r1", 2, 9, 0, []byte("late")), fence.ErrFenced)
	require.NoError(t, s.Write("r1", 3, 8, 0, []byte("same")))
}

func TestAStaleEpochWritesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	require.NoError(t, s.Create("r1", 4096))
	require.NoError(t, s.Fence("r1", 7))
	require.ErrorIs(t, s.Write("r1", 6, 1, 0, []byte{1}), fence.ErrFenced)
	require.ErrorIs(t, s.Fence("r1", 6), fence.ErrFenced)
	b, err := s.Read("r1", 0, 1)
	require.NoError(t, err)
	require.Equal(t, []byte{0}, b)
}

// A write that was held up, or comes twice, writes nothing once a later one of its epoch has: also after a restart.
func TestALateWriteWritesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	require.NoError(t, s.Create("r1", 4096))
	require.ErrorIs(t, s.Write("r1", 5, 0, 0, []byte("none")), api.ErrConflict, "numbers begin with one")
	require.NoError(t, s.Write("r1", 5, 10, 0, []byte("told")))
	for range 2 {
		for number := uint64(9); number <= 10; number++ {
			require.ErrorIs(t, s.Write("r1", 5, number, 0, []byte("late")), api.ErrConflict)
		}
		b, err := s.Read("r1", 0, 4)
		require.NoError(t, err)
		require.Equal(t, "told", string(b))
		require.NoError(t, s.Close())
		s = open(t, dir)
	}
	require.NoError(t, s.Fence("r1", 5), "which changes nothing")
	require.ErrorIs(t, s.Write("r1", 5, 10, 0, []byte("late")), api.ErrConflict)
	require.NoError(t, s.Write("r1", 6, 1, 0, []byte("next")), "each epoch has its own numbers")
}

func TestCreateIsIdempotentAndLeavesDataAlone(t *testing.T) {
	s := open(t, t.TempDir())
	require.NoError(t, s.Create("r1", 4096))
	require.NoError(t, s.Write("r1", 1, 1, 0, []byte{9}))
	require.NoError(t, s.Create("r1", 8192))
	b, err := s.Read("r1", 0, 1)
	require.NoError(t, err)
	require.Equal(t, []byte{9}, b)
}

func TestBadRequestsAreRefused(t *testing.T) {
	s := open(t, t.TempDir())
	require.NoError(t, s.Create("r1", 4096))
	_, err := s.Read("r1", 4096, 1)
	require.ErrorIs(t, err, api.ErrInvalid)
	_, err = s.Read("r1", ^uint64(0), 2)
	require.ErrorIs(t, err, api.ErrInvalid)
	_, err = s.Read("r1", 0, TransferMax+1)
	require.ErrorIs(t, err, api.ErrTooLarge)
	_, err = s.Read("r2", 0, 1)
	require.ErrorIs(t, err, api.ErrNotFound)
	require.ErrorIs(t, s.Write("r1", 1, 1, 4000, make([]byte, 97)), api.ErrInvalid)
	require.ErrorIs(t, s.Create("../r1", 1), api.ErrInvalid)
}

func TestRemoveTakesTheFileAway(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	require.NoError(t, s.Create("r1", 4096))
	require.NoError(t, s.Remove("r1"))
	require.NoError(t, s.Remove("r1"))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// A header is torn at every byte in turn: epoch and number may be the new ones or the old ones, and never anything else.
func TestATornHeaderFallsBackToTheOlder(t *testing.T) {
	old := header{sequence: 4, epoch: 10, number: 2}
	next := header{sequence: 5, epoch: 10, number: 3}
	for cut := range slotBytes {
		page := make([]byte, dataAt)
		copy(page[slotAt(4):], old.encode())
		copy(page[slotAt(5):], header{sequence: 3, epoch: 9}.encode())
		copy(page[slotAt(5):], next.encode()[:cut])
		got, err := decodeHeader(page, dataAt)
		require.NoError(t, err)
		require.Contains(t, []header{old, next}, got, "cut after %d bytes", cut)
	}
}

func TestADamagedRegionSaysSoAndSparesTheOthers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	require.NoError(t, s.Create("bad", 4096))
	require.NoError(t, s.Create("good", 4096))
	require.NoError(t, s.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad"+suffix), []byte("junk"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "half"+suffix+partial), nil, 0o600))

	s = open(t, dir)
	_, err := s.Read("bad", 0, 1)
	require.ErrorIs(t, err, api.ErrCorrupt)
	_, err = s.Read("good", 0, 1)
	require.NoError(t, err)
	require.Len(t, s.IDs(), 2)
	require.NoFileExists(t, filepath.Join(dir, "half"+suffix+partial))
}

func TestConcurrentWritersUnderRisingEpochs(t *testing.T) {
	s := open(t, t.TempDir())
	require.NoError(t, s.Create("r1", 4096))
	var wg sync.WaitGroup
	for e := fence.Epoch(1); e <= 8; e++ {
		wg.Go(func() {
			if err := s.Write("r1", e, 1, 0, []byte{byte(e)}); err != nil {
				require.ErrorIs(t, err, fence.ErrFenced)
			}
		})
	}
	wg.Wait()
	b, err := s.Read("r1", 0, 1)
	require.NoError(t, err)
	require.Equal(t, []byte{8}, b, "the highest epoch is never fenced and nothing lower comes after it")
}

func FuzzDecodeHeader(f *testing.F) {
	good := make([]byte, dataAt)
	copy(good[slotEvery:], header{sequence: 1, epoch: 2, bytes: 4096}.encode())
	f.Add(good, int64(dataAt+4096))
	f.Add([]byte("junk"), int64(4))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		h, err := decodeHeader(b, size)
		if err == nil {
			require.Equal(t, uint64(size-dataAt), h.bytes)
		} else {
			require.ErrorIs(t, err, api.ErrCorrupt)
		}
	})
}

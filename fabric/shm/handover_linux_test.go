package shm_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/shm"
	"github.com/grafnode/grafnode/internal/boottime"
)

// descriptor returns a bare copy of f's descriptor, to do with as a hostile holder would.
func descriptor(t *testing.T, f *os.File) int {
	raw, err := f.SyscallConn()
	require.NoError(t, err)
	var fd int
	require.NoError(t, raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }))
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// copyFile returns a copy of f, which is closed when the test ends.
func copyFile(t *testing.T, f *os.File) *os.File {
	fd, err := unix.FcntlInt(uintptr(descriptor(t, f)), unix.F_DUPFD_CLOEXEC, 0)
	require.NoError(t, err)
	copied := os.NewFile(uintptr(fd), f.Name())
	t.Cleanup(func() { copied.Close() })
	return copied
}

// requireReadOnly shows that f's memory cannot be written, mapped for writing, resized or punched.
func requireReadOnly(t *testing.T, f *os.File) {
	t.Helper()
	fd := descriptor(t, f)
	_, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.Error(t, err, "a writable mapping")
	readable, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	require.Error(t, unix.Mprotect(readable, unix.PROT_READ|unix.PROT_WRITE), "a mapping made writable")
	require.NoError(t, unix.Munmap(readable))
	_, err = unix.Pwrite(fd, []byte{1}, 0)
	require.Error(t, err, "a write")
	require.Error(t, unix.Ftruncate(fd, 0), "a truncation")
	require.Error(t, unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, int64(os.Getpagesize())), "a hole")
}

// TestWhoCanWrite follows a hand-over and tries, at each step, what a hostile holder would.
func TestWhoCanWrite(t *testing.T) {
	a := newArena(t)
	files, err := a.Grant(fabric.RoleProducer)
	require.NoError(t, err)
	requireReadOnly(t, files.Node)
	own := copyFile(t, files.Own)

	require.ErrorIs(t, a.Mapped(fabric.RoleProducer), fabric.ErrCorrupt, "not sealed yet")
	_, err = a.PeerFile(fabric.RoleConsumer)
	require.ErrorIs(t, err, shm.ErrNotMapped)

	p, err := shm.OpenProducer(a.Config(), files)
	require.NoError(t, err)
	defer p.Close()
	requireReadOnly(t, own)
	again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", descriptor(t, own)), os.O_RDWR, 0)
	if err == nil { // root may
		requireReadOnly(t, again)
		require.NoError(t, again.Close())
	}
	_, err = p.HandBack()
	require.Error(t, err, "nothing to hand back before the peer is there")

	c, err := a.Consumer()
	require.NoError(t, err)
	defer c.Close()
	_, err = a.PeerFile(fabric.RoleConsumer)
	require.ErrorIs(t, err, shm.ErrNotMapped, "the producer has not said Mapped")
	require.NoError(t, a.Mapped(fabric.RoleProducer))
	require.NoError(t, a.Mapped(fabric.RoleProducer), "idempotent")
	require.NoError(t, a.WaitMapped(context.Background(), fabric.RoleConsumer))
	peer, err := a.PeerFile(fabric.RoleProducer)
	require.NoError(t, err)
	requireReadOnly(t, peer)
	require.NoError(t, p.BindPeer(peer))
	peer, err = a.PeerFile(fabric.RoleProducer)
	require.NoError(t, err)
	require.ErrorIs(t, p.BindPeer(peer), fabric.ErrTaken)
}

// TestBeforeBind shows what a side can do before its peer is there, and that nothing of it is lost.
func TestBeforeBind(t *testing.T) {
	a := newArena(t)
	p, err := a.Producer()
	require.NoError(t, err)
	defer p.Close()
	_, ok, err := p.Resume()
	require.NoError(t, err)
	require.False(t, ok)
	b, err := p.Claim(5)
	require.NoError(t, err)
	copy(b, "early")
	require.NoError(t, p.Commit())
	require.NoError(t, p.Flush())

	files, err := a.Grant(fabric.RoleConsumer)
	require.NoError(t, err)
	c, err := shm.OpenConsumer(a.Config(), files)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetResume([]byte("here")))
	_, err = c.Next()
	require.ErrorIs(t, err, fabric.ErrEmpty)
	got := make(chan string, 1)
	go func() {
		b, err := next(t, c)
		if err != nil {
			b = []byte(err.Error())
		}
		got <- string(b)
	}()
	require.NoError(t, a.Mapped(fabric.RoleConsumer)) // binds the producer
	peer, err := a.PeerFile(fabric.RoleConsumer)
	require.NoError(t, err)
	require.NoError(t, c.BindPeer(peer))
	require.Equal(t, "early", <-got)
	note, ok, err := p.Resume()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "here", string(note))
}

func TestOpenRefusesOtherMemory(t *testing.T) {
	foreign := newArena(t)
	for name, spoil := range map[string]func(*fabric.Config, *shm.Files){
		"generation":    func(c *fabric.Config, _ *shm.Files) { c.Generation++ },
		"edge":          func(c *fabric.Config, _ *shm.Files) { c.Edge = "another" },
		"arena":         func(c *fabric.Config, _ *shm.Files) { c.Arena = "another" },
		"capacity":      func(c *fabric.Config, _ *shm.Files) { c.Capacity *= 2 },
		"missing":       func(_ *fabric.Config, f *shm.Files) { f.Own.Close(); f.Own = nil },
		"no memfd":      func(_ *fabric.Config, f *shm.Files) { f.Node.Close(); f.Node, _ = os.Open("/proc/self/exe") },
		"swapped":       func(_ *fabric.Config, f *shm.Files) { f.Own, f.Node = f.Node, f.Own },
		"foreign part":  func(_ *fabric.Config, f *shm.Files) { f.Own.Close(); f.Own = grant(t, foreign).Own },
		"already taken": func(_ *fabric.Config, f *shm.Files) { f.Own.Close(); f.Own = sealedPart(t) },
	} {
		t.Run(name, func(t *testing.T) {
			a := newArena(t)
			files, err := a.Grant(fabric.RoleProducer)
			require.NoError(t, err)
			c := a.Config()
			spoil(&c, &files)
			_, err = shm.OpenProducer(c, files)
			require.Error(t, err)
			require.True(t, fabric.Lost(err), "%v", err)
		})
	}
}

// grant returns what a producer of a is given, of which the test uses one descriptor.
func grant(t *testing.T, a *shm.Arena) shm.Files {
	f, err := a.Grant(fabric.RoleProducer)
	require.NoError(t, err)
	t.Cleanup(f.Close)
	return f
}

// sealedPart returns a producer's part that a producer has mapped already.
func sealedPart(t *testing.T) *os.File {
	a := newArena(t)
	f := grant(t, a)
	own := copyFile(t, f.Own)
	p, err := shm.OpenProducer(a.Config(), f)
	require.NoError(t, err)
	t.Cleanup(func() { p.Close() })
	return own
}

func TestAdoptRefusesOtherMemory(t *testing.T) {
	foreignParts := func(t *testing.T) shm.Parts {
		_, c := restart(t, fabrictest.Config(fabric.CapacityMin))
		parts, err := c.HandBack()
		require.NoError(t, err)
		t.Cleanup(parts.Close)
		return parts
	}
	for name, spoil := range map[string]func(*testing.T, *fabric.Config, *shm.Parts){
		"generation": func(_ *testing.T, c *fabric.Config, _ *shm.Parts) { c.Generation++ },
		"arena":      func(_ *testing.T, c *fabric.Config, _ *shm.Parts) { c.Arena = "another" },
		"swapped":    func(_ *testing.T, _ *fabric.Config, p *shm.Parts) { p.Producer, p.Consumer = p.Consumer, p.Producer },
		"missing":    func(_ *testing.T, _ *fabric.Config, p *shm.Parts) { p.Node.Close(); p.Node = nil },
		"foreign": func(t *testing.T, _ *fabric.Config, p *shm.Parts) {
			p.Consumer.Close()
			p.Consumer = foreignParts(t).Consumer
		},
		"a pipe": func(t *testing.T, _ *fabric.Config, p *shm.Parts) {
			p.WakeProducer.Close()
			r, w, err := os.Pipe()
			require.NoError(t, err)
			r.Close()
			p.WakeProducer = w
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := fabrictest.Config(fabric.CapacityMin)
			p, _ := restart(t, cfg)
			parts, err := p.HandBack()
			require.NoError(t, err)
			spoil(t, &cfg, &parts)
			_, err = shm.Adopt(cfg, parts)
			require.ErrorIs(t, err, fabric.ErrCorrupt)
		})
	}
	t.Run("recognize", func(t *testing.T) {
		cfg := fabrictest.Config(fabric.CapacityMin)
		p, _ := restart(t, cfg)
		parts, err := p.HandBack()
		require.NoError(t, err)
		a, err := shm.Adopt(cfg, parts)
		require.NoError(t, err)
		defer a.Close()
		twin, _ := restart(t, cfg) // the same name, other memory
		parts, err = twin.HandBack()
		require.NoError(t, err)
		defer parts.Close()
		require.ErrorIs(t, a.Recognize(parts), fabric.ErrCorrupt)
	})
}

// TestSealedArenaGrantsNothing also shows what WaitMapped returns.
func TestSealedArenaGrantsNothing(t *testing.T) {
	a := newArena(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, a.WaitMapped(ctx, fabric.RoleProducer), context.Canceled)
	a.Seal(fabric.ErrRevoked)
	require.ErrorIs(t, a.WaitMapped(context.Background(), fabric.RoleProducer), fabric.ErrRevoked)
	_, err := a.Grant(fabric.RoleProducer)
	require.ErrorIs(t, err, fabric.ErrRevoked)
	_, err = a.Consumer()
	require.ErrorIs(t, err, fabric.ErrRevoked)
	_, err = a.Grant("nobody")
	require.Error(t, err)
}

// TestNothingIsLeft opens and closes rings in every way, and counts descriptors and mappings.
func TestNothingIsLeft(t *testing.T) {
	count := func() (descriptors, mappings int) {
		fds, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		maps, err := os.ReadFile("/proc/self/maps")
		require.NoError(t, err)
		return len(fds), strings.Count(string(maps), "memfd:grafnode")
	}
	cycle := func(i int) {
		cfg := fabrictest.Config(fabric.CapacityMin)
		cfg.Deadline = boottime.Now().Add(1 << 40)
		a, err := shm.New(cfg)
		require.NoError(t, err)
		defer a.Close()
		if i%4 == 0 {
			return
		}
		p, err := a.Producer()
		require.NoError(t, err)
		defer p.Close()
		if i%4 == 1 {
			return // without a peer
		}
		files, err := a.Grant(fabric.RoleConsumer)
		require.NoError(t, err)
		if i%4 == 2 {
			cfg.Generation++
			_, err = shm.OpenConsumer(cfg, files)
			require.Error(t, err)
			return
		}
		c, err := shm.OpenConsumer(cfg, files)
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, a.Mapped(fabric.RoleConsumer))
		peer, err := a.PeerFile(fabric.RoleConsumer)
		require.NoError(t, err)
		require.NoError(t, c.BindPeer(peer))
		parts, err := c.HandBack()
		require.NoError(t, err)
		adopted, err := shm.Adopt(cfg, parts)
		require.NoError(t, err)
		require.NoError(t, adopted.Close())
	}
	cycle(3)
	descriptors, mappings := count()
	for i := range 1000 {
		cycle(i)
	}
	after, mapped := count()
	require.Equal(t, descriptors, after, "descriptors")
	require.Equal(t, mappings, mapped, "mappings")
}

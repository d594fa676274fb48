//go:build rdma && linux && cgo

package ibverbs

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// These tests run where there is an adapter: in a guest of integration/rdma, or on a host with a real one.

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		if opened != nil {
			if err := opened.Close(); err != nil {
				fmt.Println(err)
				status = max(status, 1)
			}
		}
		os.Exit(status)
	}))
}

// patience bounds waits; nothing is judged by it.
var patience = fabrictest.Patience()

var room = verbs.Room{Writes: 128, Receives: 64, Inline: 64}

// retry outlasts a host that is starved, and ends within seconds all the same.
var retry = verbs.Retry{AckTimeout: 500 * time.Millisecond, Count: 6, NotReady: 2, Pause: time.Millisecond}

// end is one end of a connection, with memory that the other may write.
type end struct {
	t testing.TB
	verbs.Pair
	mem    []byte
	region verbs.Region
}

// opened is the device that all tests share: to open one takes long where it is emulated.
var opened verbs.Device

func openDevice(t testing.TB) verbs.Device {
	t.Helper()
	if opened != nil {
		return opened
	}
	ports, err := New().Ports()
	if os.Getenv("GRAFNODE_RDMA") != "" {
		require.NoError(t, err)
		require.NotEmpty(t, ports)
	} else if len(ports) == 0 {
		t.Skip("no adapter here: see grafnode fabric probe")
	}
	require.NotZero(t, ports[0].MTU)
	opened, err = New().Open(ports[0])
	require.NoError(t, err)
	return opened
}

func newEnd(t testing.TB, d verbs.Device) *end {
	t.Helper()
	p, err := d.NewPair(room)
	require.NoError(t, err)
	e := &end{t: t, Pair: p, mem: mapping(t, 1<<18)}
	t.Cleanup(func() { require.NoError(t, p.Close()) }) // before the mapping goes
	e.region, err = p.Register(e.mem, verbs.RemoteWrite)
	require.NoError(t, err)
	return e
}

// mapping maps a memory file, as rings are.
func mapping(t testing.TB, size int) []byte {
	t.Helper()
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	require.NoError(t, unix.Ftruncate(fd, int64(size)))
	mem, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(t, err)
	require.NoError(t, unix.Close(fd))
	t.Cleanup(func() { require.NoError(t, unix.Munmap(mem)) })
	return mem
}

// connected returns the two ends of a connection; the second has receives posted.
func connected(t testing.TB) (a, b *end) {
	t.Helper()
	d := openDevice(t)
	a, b = newEnd(t, d), newEnd(t, d)
	require.NoError(t, b.PostReceives(room.Receives))
	require.NoError(t, b.Connect(a.Local(), retry))
	require.NoError(t, a.Connect(b.Local(), retry))
	return a, b
}

// write writes the first n bytes of e's memory to the same place of peer's.
func (e *end) write(id uint64, n int, peer *end) verbs.Write {
	to := peer.region.Remote()
	return verbs.Write{ID: id, Local: e.mem[:n], Key: e.region.LocalKey(), To: to.At, RKey: to.Key, Signaled: true}
}

// next waits for the next completion.
func (e *end) next() verbs.Completion {
	e.t.Helper()
	late := time.AfterFunc(patience, func() {
		stacks := make([]byte, 1<<16)
		panic("no completion came\n" + string(stacks[:runtime.Stack(stacks, true)]))
	})
	defer late.Stop()
	for {
		var into [1]verbs.Completion
		n, err := e.Poll(into[:])
		require.NoError(e.t, err)
		if n > 0 {
			return into[0]
		}
		require.NoError(e.t, e.Wait())
	}
}

// completions waits for n of them.
func (e *end) completions(n int) (all []verbs.Completion) {
	e.t.Helper()
	for range n {
		all = append(all, e.next())
	}
	return all
}

// A batch of writes and the word that they have landed: in order, without a look at the memory before.
func TestWritesLandBeforeTheirWord(t *testing.T) {
	a, b := connected(t)
	for i := range a.mem {
		a.mem[i] = byte(i * 7)
	}
	half := len(a.mem) / 2
	first, second := a.write(0, half, b), a.write(1, 0, b)
	first.Signaled = false
	second.Local, second.To, second.WithImm, second.Imm = a.mem[half:], second.To+uint64(half), true, 0xfeedbeef
	require.NoError(t, a.Post([]verbs.Write{first, second}))
	require.Equal(t, []verbs.Completion{{Kind: verbs.Received, Imm: 0xfeedbeef, HasImm: true}}, b.completions(1))
	require.Equal(t, a.mem, b.mem)
	require.Equal(t, []verbs.Completion{{ID: 1, Kind: verbs.Wrote}}, a.completions(1), "the one that is not signalled completes silently")
}

// Inline bytes may be Go's: they are taken when they are posted.
func TestInline(t *testing.T) {
	a, b := connected(t)
	words := [][]byte{[]byte("cursor 1"), []byte("cursor 2"), {}}
	var ws []verbs.Write
	for i, word := range words {
		w := a.write(uint64(i), 0, b)
		w.Local, w.Inline, w.Key, w.To = word, true, 0, w.To+uint64(8*i)
		ws = append(ws, w)
	}
	ws[2].WithImm = true
	require.NoError(t, a.Post(ws))
	clear(words[0])
	b.completions(1)
	require.Equal(t, "cursor 1cursor 2\x00", string(b.mem[:17]))
	require.Len(t, a.completions(3), 3)

	ws[0].Local = make([]byte, room.Inline+1)
	require.ErrorContains(t, a.Post(ws), "inline")
	require.ErrorContains(t, a.Post(make([]verbs.Write, room.Writes+1)), "at once")
}

// Many rounds, each waited for in the netpoller: no event is lost.
func TestPingPong(t *testing.T) {
	a, b := connected(t)
	require.NoError(t, a.PostReceives(room.Receives))
	const rounds = 300
	failed := make(chan error, 1)
	go func() {
		failed <- func() error {
			into := make([]verbs.Completion, 4)
			for left := 2 * rounds; left > 0; { // a receive and a write each
				n, err := b.Poll(into)
				if err != nil {
					return err
				}
				for _, c := range into[:n] {
					if left--; c.Kind != verbs.Received {
						continue
					}
					if err := b.PostReceives(1); err != nil {
						return err
					}
					w := b.write(1, 8, a)
					w.WithImm, w.Imm = true, c.Imm
					if err := b.Post([]verbs.Write{w}); err != nil {
						return err
					}
				}
				if n == 0 && b.Wait() != nil {
					return err
				}
			}
			return nil
		}()
	}()
	for i := range uint32(rounds) {
		w := a.write(uint64(i), 8, b)
		w.WithImm, w.Imm = true, i
		require.NoError(t, a.Post([]verbs.Write{w}))
		for _, c := range a.completions(2) {
			require.Equal(t, verbs.StatusOK, c.Status)
			if c.Kind == verbs.Received {
				require.Equal(t, i, c.Imm)
				require.NoError(t, a.PostReceives(1))
			}
		}
	}
	require.NoError(t, <-failed)
}

func TestWake(t *testing.T) {
	a, _ := connected(t)
	a.Wake()
	require.NoError(t, a.Wait(), "a wake before the wait counts")
	for range 100 {
		done := make(chan error)
		go func() { done <- a.Wait() }()
		a.Wake()
		require.NoError(t, <-done)
	}
	a.Wake()
	a.Wake()
	require.NoError(t, a.Wait())
	n, err := a.Poll(make([]verbs.Completion, 1))
	require.NoError(t, err)
	require.Zero(t, n)
}

// Pairs that come and go leave nothing: no descriptor, no mapping that the kernel counts as locked.
func TestNothingIsLeft(t *testing.T) {
	d := openDevice(t)
	mem := mapping(t, 1<<16)
	cycle := func() {
		p, err := d.NewPair(room)
		require.NoError(t, err)
		_, err = p.Register(mem, verbs.RemoteWrite)
		require.NoError(t, err)
		require.NoError(t, p.Close())
		require.NoError(t, p.Close())
		require.NoError(t, p.Fail())
		p.Wake()
	}
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	cycle()
	before := count()
	for range 30 {
		cycle()
	}
	require.Equal(t, before, count())
}

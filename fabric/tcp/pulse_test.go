package tcp

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/tcpconn"
)

// wires are links of one process with another, both ends in a bubble, and what crosses them is counted.
type wires struct {
	near, far []*link
	frames    atomic.Int64 // written at the near end
}

// counted counts writes.
type counted struct {
	net.Conn
	w *wires
}

func (c *counted) Write(b []byte) (int, error) {
	c.w.frames.Add(1)
	return c.Conn.Write(b)
}

func (w *wires) link(conn net.Conn, owner bool) *link {
	h := hostileHello(fabric.RoleConsumer)
	h.Pulse, h.Session = "p", "s"
	l := newLink(conn)
	l.attach(h)
	l.join(owner)
	l.tasks.Go(func() { l.receive(func(frame) error { return nil }) })
	return l
}

func newWires(n int) *wires {
	w := &wires{}
	for range n {
		a, b := net.Pipe()
		w.near = append(w.near, w.link(&counted{a, w}, false))
		w.far = append(w.far, w.link(b, true))
	}
	return w
}

var errEnd = errors.New("the test ends")

func (w *wires) close() {
	for i := range w.near {
		_ = w.near[i].fail(errEnd)
		_ = w.far[i].fail(errEnd)
		w.near[i].tasks.Wait()
		w.far[i].tasks.Wait()
	}
}

// A thousand links that rest say about as much as a few: each its own word in a second, and one for all in each turn.
func TestManyLinksShareAPulse(t *testing.T) {
	for _, n := range []int{1, 30, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWires(n)
				defer w.close()
				time.Sleep(time.Second)
				before := w.frames.Load()
				time.Sleep(10 * time.Second)
				synctest.Wait()
				perSecond := (w.frames.Load() - before) / 10
				require.LessOrEqual(t, perSecond, int64(max(n, 40)+5))
				for i := range w.near {
					require.NoError(t, w.near[i].err())
					require.NoError(t, w.far[i].err())
				}
				require.Len(t, pulses.by, 2)
			})
			require.Empty(t, pulses.by)
		})
	}
}

// When one of two processes is gone without a word, all links are given up at once, after three heartbeats.
func TestAPulseThatStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(10)
		defer w.close()
		time.Sleep(10 * time.Second)
		began := time.Now()
		for _, l := range w.far { // it dies, and its host with it
			p := l.pulse.Load()
			p.remove(l)
		}
		for _, l := range w.near {
			<-l.ended
			require.ErrorContains(t, l.err(), "silent for 150ms")
		}
		took := time.Since(began)
		require.GreaterOrEqual(t, took, MissedDefault*HeartbeatDefault-HeartbeatDefault/2)
		require.LessOrEqual(t, took, (MissedDefault+1)*HeartbeatDefault)
	})
}

// What befalls one connection of many is noticed too, later.
func TestOneLinkOfManyFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(10)
		defer w.close()
		time.Sleep(10 * time.Second)
		began := time.Now()
		l := w.far[3]
		l.pulse.Load().remove(l)
		<-w.near[3].ended
		require.LessOrEqual(t, time.Since(began), (MissedDefault+1)*linkBeat)
		for i, l := range w.near {
			require.Equal(t, i == 3, l.err() != nil)
		}
	})
}

// An observer that did not run gives the other side its whole time from when it runs again.
func TestWhoWasStarvedAccusesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(1)
		defer w.close()
		time.Sleep(time.Second + HeartbeatDefault/8) // between two turns
		synctest.Wait()
		p := w.near[0].pulse.Load()
		quiet := func(took time.Duration) int {
			p.heard.Store(false)
			silent, _ := p.judge(took)
			return len(silent)
		}
		p.heard.Store(true)
		silent, _ := p.judge(p.half)
		require.Empty(t, silent)
		for range 2*MissedDefault - 1 {
			require.Zero(t, quiet(p.half))
		}
		require.Zero(t, quiet(time.Hour), "it would have been the last")
		for range 2*MissedDefault - 1 {
			require.Zero(t, quiet(p.half))
		}
		for range 3 * 2 * MissedDefault {
			if quiet(p.half) > 0 {
				return
			}
		}
		require.Fail(t, "it is never accused")
	})
}

// What the kernel has heard is life, though nobody has read it: it is this process that is slow.
func TestWhatTheKernelHeardIsLife(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	a, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	b, err := listener.Accept()
	require.NoError(t, err)
	defer b.Close()
	l := newLink(a)
	h := hostileHello(fabric.RoleConsumer)
	h.Heartbeat = HeartbeatMax // the turns are the test's
	l.attach(h)
	l.join(false)
	defer l.fail(errEnd)
	p := l.pulse.Load()
	last := func(half, silence time.Duration) int {
		p.mu.Lock()
		p.peer = detector{half: half, silence: silence, quiet: silence}
		p.mu.Unlock()
		p.heard.Store(false)
		silent, _ := p.judge(half)
		return len(silent)
	}
	_, err = b.Write([]byte{1})
	require.NoError(t, err)
	if _, known := tcpconn.Heard(a); !known {
		t.Skip("this kernel does not tell")
	}
	require.Zero(t, last(p.half, p.key.silence()))
	_, err = l.conn.Read(make([]byte, 1))
	require.NoError(t, err)
	require.Eventually(t, func() bool { ago, known := tcpconn.Heard(a); return known && ago >= 40*time.Millisecond }, 10*time.Second, time.Millisecond)
	require.Zero(t, last(p.half, p.key.silence()), "it was said within the silence")
	require.Equal(t, 1, last(10*time.Millisecond, 20*time.Millisecond), "it was not")
}

// Links come and go while others' turns are: nothing is forgotten, nobody is accused.
func TestLinksComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(5)
		defer w.close()
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				for range 50 {
					time.Sleep(time.Duration(7+i) * time.Millisecond)
					one := newWires(1)
					time.Sleep(time.Duration(100*i) * time.Millisecond)
					if one.near[0].err() != nil || one.far[0].err() != nil {
						t.Error(one.near[0].err(), one.far[0].err())
					}
					one.close()
				}
			})
		}
		all.Wait()
		require.Len(t, w.near[0].pulse.Load().links, 5)
		for i := range w.near {
			require.NoError(t, w.near[i].err())
			require.NoError(t, w.far[i].err())
		}
	})
}

// A link that is busy for longer than anybody has patience with one that takes nothing, takes all.
func TestBusyLinkGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(2)
		defer w.close()
		for range 3 * patienceMin / (10 * time.Millisecond) {
			require.NoError(t, w.near[0].send(kindStable, 0, 0, []byte("note")))
			time.Sleep(10 * time.Millisecond)
		}
		require.NoError(t, w.near[1].err())
	})
}

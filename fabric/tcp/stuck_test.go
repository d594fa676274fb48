package tcp

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/inproc"
)

// A peer that is refused after a long hello leaves nothing behind: the large buffers are for all connections of the process.
func TestRefusedPeersKeepNoLargeBuffer(t *testing.T) {
	before := borrowed.Load()
	for range 3 {
		near, far := net.Pipe()
		served := make(chan error, 1)
		go func() { served <- Serve(t.Context(), far, nil) }()
		hello := append([]byte{0, helloMax >> 8, 0, 0}, bytes.Repeat([]byte{' '}, helloMax)...)
		go func() { _, _ = near.Write(hello) }()
		_, err := readAnswer(near, func() {})
		require.ErrorContains(t, err, "hello")
		require.Error(t, <-served)
		require.NoError(t, near.Close())
	}
	require.Equal(t, before, borrowed.Load())
}

// beats has conn show life until it is closed, and reads nothing.
func beats(conn net.Conn) {
	go func() {
		for {
			if _, err := conn.Write(frameOf(kindBeat, 0, 0, nil)); err != nil {
				return
			}
			time.Sleep(HeartbeatDefault)
		}
	}()
}

// A peer that shows life and takes nothing is given up too, whatever the owner was about to tell it: neither its side of the ring nor
// the ring's memory are its to hold for ever.
func TestWhoTakesNothingIsGivenUp(t *testing.T) {
	for name, role := range map[string]fabric.Role{"producer": fabric.RoleProducer, "consumer": fabric.RoleConsumer} {
		for _, busy := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					arena, err := inproc.New(hostileConfig)
					require.NoError(t, err)
					near, far := net.Pipe()
					served := make(chan error, 1)
					go func() { served <- Serve(t.Context(), far, always{arena}) }()
					require.NoError(t, writeMessage(near, hostileHello(role)))
					_, err = readAnswer(near, func() {})
					require.NoError(t, err)
					if busy {
						haveWords(t, arena, role)
					}
					beats(near)
					began := time.Now()
					require.ErrorIs(t, <-served, fabric.ErrDisconnected)
					require.LessOrEqual(t, time.Since(began), patienceMin+linkBeat+HeartbeatDefault)
					require.NoError(t, near.Close())
					time.Sleep(HeartbeatDefault) // until beats has noticed
				})
			})
		}
	}
}

// haveWords makes the owner's pump write to a side of the given role.
func haveWords(t *testing.T, arena fabric.Arena, role fabric.Role) {
	t.Helper()
	if role == fabric.RoleProducer {
		c, err := arena.Consumer()
		require.NoError(t, err)
		require.NoError(t, c.SetResume([]byte("here")))
		return
	}
	p, err := arena.Producer()
	require.NoError(t, err)
	_, err = p.Claim(1)
	require.NoError(t, err)
	require.NoError(t, p.Commit())
	require.NoError(t, p.Flush())
}

// stuck is a connection that takes no bytes once it is told to, whatever deadlines are set, until it is closed.
type stuck struct {
	net.Conn
	hold, closed chan struct{}
	once         sync.Once
}

func (s *stuck) Write(b []byte) (int, error) {
	select {
	case <-s.hold:
		<-s.closed
		return 0, net.ErrClosed
	default:
		return s.Conn.Write(b)
	}
}

func (s *stuck) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.Conn.Close()
}

// A link over TLS that ends while it writes does not wait for the write.
func TestTLSLinkEndsInTheMiddleOfAWrite(t *testing.T) {
	a, b := net.Pipe()
	s := &stuck{Conn: a, hold: make(chan struct{}), closed: make(chan struct{})}
	server, client := Certified(t)
	client = named(client, "127.0.0.1:1")
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := secure(context.Background(), b, server, tls.Server)
		accepted <- c
	}()
	conn, err := secure(t.Context(), s, client, tls.Client)
	require.NoError(t, err)
	peer := <-accepted
	go func() { _, _ = io.Copy(io.Discard, peer) }()

	l := newLink(conn)
	close(s.hold)
	wrote := make(chan error, 1)
	go func() { wrote <- l.writeRecords(0, make([]byte, 64)) }()
	for l.out.TryLock() { // until it writes
		l.out.Unlock()
		time.Sleep(time.Millisecond)
	}
	require.ErrorIs(t, l.fail(fabric.ErrDisconnected), fabric.ErrDisconnected)
	require.ErrorIs(t, <-wrote, fabric.ErrDisconnected)
	require.NoError(t, b.Close())
}

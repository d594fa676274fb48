package tcp

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/inproc"
)

// socket is a connection on which a fixed text comes in pieces of a fixed size, and then its end.
type socket struct {
	net.Conn // the calls that are not here are not made
	mu       sync.Mutex
	in       *bytes.Reader
	piece    int
}

func (s *socket) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in.Read(b[:min(len(b), s.piece)])
}

func (s *socket) Write(b []byte) (int, error)      { return len(b), nil }
func (s *socket) SetDeadline(time.Time) error      { return nil }
func (s *socket) SetReadDeadline(time.Time) error  { return nil }
func (s *socket) SetWriteDeadline(time.Time) error { return nil }
func (s *socket) Close() error                     { return nil }
func (s *socket) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// greeting is what a side says first.
func greeting(t testing.TB, role fabric.Role) []byte {
	var b bytes.Buffer
	require.NoError(t, writeMessage(&b, hostileHello(role)))
	return b.Bytes()
}

// Whatever comes over a connection from its first byte on, in whatever pieces, Serve ends, leaves nothing behind, and what is in the
// ring are records.
func FuzzServe(f *testing.F) {
	for _, role := range []fabric.Role{fabric.RoleProducer, fabric.RoleConsumer} {
		hello := greeting(f, role)
		f.Add(hello, []byte(nil), uint16(1))
		f.Add(hello[:len(hello)-1], []byte("}"), uint16(3))
		f.Add(hello, frameOf(kindResume, 0, 0, []byte("here")), uint16(7))
		f.Add(hello, append(frameOf(kindRecords, 0, 0, stretch(0, "a", "record")), frameOf(kindClose, 0, 0, nil)...), uint16(5))
		f.Add(hello, frameOf(kindRecords, 0, 0, stretch(0, string(make([]byte, 9000)))), uint16(4096))
		f.Add(hello, append(frameOf(kindShort, 0, 1<<16, nil), frameOf(kindAck, flagNote, 0, []byte("n"))...), uint16(1000))
	}
	f.Fuzz(func(t *testing.T, hello, frames []byte, piece uint16) {
		large := borrowed.Load()
		for _, frames := range [][]byte{frames, resealed(frames)} {
			arena, err := inproc.New(hostileConfig)
			require.NoError(t, err)
			conn := &socket{in: bytes.NewReader(append(bytes.Clone(hello), frames...)), piece: max(1, int(piece))}
			_ = Serve(t.Context(), conn, always{arena})
			requireOnlyRecords(t, arena)
			require.NoError(t, arena.Close())
		}
		require.Equal(t, large, borrowed.Load())
	})
}

// requireOnlyRecords reads what the ring says is committed, if its consumer's side is not taken.
func requireOnlyRecords(t *testing.T, arena fabric.Arena) {
	t.Helper()
	c, err := arena.Consumer()
	if err != nil {
		require.ErrorIs(t, err, fabric.ErrTaken)
		return
	}
	for range arena.Usage().Committed {
		_, err := c.Next()
		require.NoError(t, err)
	}
	_, err = c.Next()
	require.ErrorIs(t, err, fabric.ErrEmpty)
	require.NoError(t, c.Close())
}

// Whatever an owner says, from its answer on and in whatever pieces, a side ends with a loss and hands out whole records only.
func FuzzAttached(f *testing.F) {
	answer := []byte("\x12\x00\x00\x00{\"capacity\":65536}")
	f.Add(append(bytes.Clone(answer), frameOf(kindRecords, 0, 0, stretch(0, "a", "record"))...), uint16(3))
	f.Add(append(make([]byte, 8), answer...), uint16(1))
	f.Add(append(bytes.Clone(answer), frameOf(kindSeal, 0, 0, []byte(`{"kind":"ring-sealed"}`))...), uint16(9))
	f.Fuzz(func(t *testing.T, raw []byte, piece uint16) {
		l := newLink(&socket{in: bytes.NewReader(raw), piece: max(1, int(piece))})
		said, err := readAnswer(&l.in, func() {})
		if err != nil {
			l.in.giveBack()
			return
		}
		l.attach(hostileHello(fabric.RoleConsumer))
		c := newConsumer(l, said.Capacity)
		l.receive(c.handle)
		require.True(t, fabric.Lost(l.err()), "%v", l.err())
		for err := error(nil); err == nil; {
			_, err = c.Next()
			require.True(t, err == nil || fabric.Lost(err), "%v", err)
		}
		require.Zero(t, largeHeld(&l.in))
	})
}

func largeHeld(in *intake) int { return len(in.large) }

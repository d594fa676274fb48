package tcp

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/inproc"
)

// What comes together wakes the ring's reader once, and counts neither for it nor as room before that.
func TestFramesAreShownTogether(t *testing.T) {
	arena, err := inproc.New(hostileConfig)
	require.NoError(t, err)
	ring, err := arena.Producer()
	require.NoError(t, err)
	e := newProducerEnd(linkOver(&wire{}), arena, ring.(writeEnd))
	at := uint64(0)
	for range 3 {
		b := stretch(at, "some", "records")
		take(linkTo(e, frameOf(kindRecords, 0, at, b)), e.handle)
		at += uint64(len(b))
	}
	require.Zero(t, arena.Usage().Committed)
	require.NoError(t, e.grant())
	require.EqualValues(t, hostileConfig.Capacity, e.granted)
	require.NoError(t, e.idle())
	require.EqualValues(t, 6, arena.Usage().Committed)
	require.EqualValues(t, at, arena.Usage().Bytes)

	b := stretch(at, string(make([]byte, hostileConfig.Capacity/8)))
	take(linkTo(e, frameOf(kindRecords, 0, at, b)), e.handle)
	require.EqualValues(t, 7, arena.Usage().Committed, "an eighth of the ring does not wait")
	require.NoError(t, ring.Close())
}

// Records of a peer that dies right behind them are there, and so are those of one that leaves.
func TestLastFramesAreShown(t *testing.T) {
	for name, last := range map[string][]byte{"dies": nil, "leaves": frameOf(kindClose, 0, 0, nil)} {
		t.Run(name, func(t *testing.T) {
			arena, err := inproc.New(hostileConfig)
			require.NoError(t, err)
			near, far := pipe(t)
			served := make(chan error, 1)
			go func() { served <- Serve(t.Context(), far, always{arena}) }()
			require.NoError(t, writeMessage(near, hostileHello(fabric.RoleProducer)))
			_, err = readAnswer(near, func() {})
			require.NoError(t, err)
			_, err = near.Write(append(frameOf(kindRecords, 0, 0, stretch(0, "the", "last")), last...))
			require.NoError(t, err)
			require.NoError(t, near.CloseWrite())
			err = <-served
			require.Equal(t, last != nil, err == nil, "%v", err)
			require.EqualValues(t, 2, arena.Usage().Committed)
		})
	}
}

// pipe returns the two ends of a TCP connection.
func pipe(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	a, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	b, err := l.Accept()
	require.NoError(t, err)
	require.NoError(t, l.Close())
	t.Cleanup(func() { a.Close(); b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

// A socket is read into two places at once, says before it sleeps that it is about to, and obeys deadlines.
func TestPlain(t *testing.T) {
	near, far := pipe(t)
	idle, enough := 0, errors.New("enough")
	var refuse error
	p := newPlain(far, func() error { idle++; return refuse })
	if p == nil {
		t.Skip("not on this platform")
	}
	_, err := near.Write([]byte("to two places"))
	require.NoError(t, err)
	b, more := make([]byte, 6), make([]byte, 100)
	n, err := p.read(b, more)
	require.NoError(t, err)
	require.Equal(t, "to two places", string(b)+string(more[:n-len(b)]))
	require.LessOrEqual(t, idle, 1)

	require.NoError(t, far.SetReadDeadline(time.Now().Add(-time.Second)))
	_, err = p.read(b, more)
	require.ErrorContains(t, err, "timeout")
	require.NoError(t, far.SetReadDeadline(time.Time{}))
	refuse, idle = enough, 0
	_, err = p.read(b, more)
	require.ErrorIs(t, err, enough)
	require.Equal(t, 1, idle)
	require.NoError(t, near.Close())
	refuse = nil
	_, err = p.read(b, more)
	require.ErrorContains(t, err, "EOF")
}

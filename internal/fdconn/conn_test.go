package fdconn_test

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/fdconn"
)

type message struct {
	Text string `json:"text"`
}

// sockets returns the two ends of one Unix connection.
func sockets(t testing.TB) (a, b *net.UnixConn) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	require.NoError(t, err)
	defer l.Close()
	a, err = net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr))
	require.NoError(t, err)
	b, err = l.AcceptUnix()
	require.NoError(t, err)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestFramesKeepTheirBounds(t *testing.T) {
	a, b := sockets(t)
	from := fdconn.New(a, fdconn.Config{FrameMax: 1 << 20})
	to := fdconn.New(b, fdconn.Config{FrameMax: 1 << 20})
	texts := []string{"", "one", strings.Repeat("x", 900<<10), "last"}
	go func() {
		for _, text := range texts {
			from.Send(message{text})
		}
		from.Close()
	}()
	for _, want := range texts {
		var m message
		files, err := to.Receive(&m)
		require.NoError(t, err)
		require.Empty(t, files)
		require.Equal(t, want, m.Text)
	}
	_, err := to.Receive(new(message))
	require.ErrorIs(t, err, io.EOF)
}

func TestRefusals(t *testing.T) {
	length := func(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }
	for name, c := range map[string]struct {
		wire string
		want error
	}{
		"no bytes":       {length(0), fdconn.ErrFrame},
		"over the limit": {length(1 << 31), fdconn.ErrFrame},
		"not JSON":       {length(2) + "{[", fdconn.ErrFrame},
		"two values":     {length(4) + "{}{}", fdconn.ErrFrame},
		"unknown field":  {length(8) + `{"a": 1}`, fdconn.ErrFrame},
		"cut in header":  {"\x01\x00", io.ErrUnexpectedEOF},
		"cut in body":    {length(9) + "{", io.ErrUnexpectedEOF},
		"cut after head": {length(9), io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := sockets(t)
			_, err := a.Write([]byte(c.wire))
			require.NoError(t, err)
			a.Close()
			_, err = fdconn.New(b, fdconn.Config{FrameMax: 64, RefuseUnknown: true}).Receive(new(message))
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestSenderRefusesWhatReceiverWould(t *testing.T) {
	a, _ := sockets(t)
	c := fdconn.New(a, fdconn.Config{FrameMax: 16})
	require.ErrorContains(t, c.Send(message{strings.Repeat("x", 20)}), "at most 16")
	require.ErrorContains(t, c.Send(message{}, make([]*os.File, fdconn.FilesMax+1)...), "descriptors")
}

// Whatever bytes arrive, Receive gives a message or an error, and never allocates beyond its limit.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x00{}"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Add([]byte("\x09\x00\x00\x00{\"text\":1"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		if len(wire) > 4096 {
			return
		}
		a, b := sockets(t)
		_, err := a.Write(wire)
		require.NoError(t, err)
		a.Close()
		c := fdconn.New(b, fdconn.Config{FrameMax: 1024, RefuseUnknown: true})
		for {
			if _, err := c.Receive(new(message)); err != nil {
				return
			}
		}
	})
}

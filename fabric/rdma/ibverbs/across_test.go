//go:build rdma && linux && cgo

package ibverbs

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// The tests of two hosts: integration/rdma runs TestWriter on one and TestOwner on the other, and cuts and kills when the writer's console
// asks for it.
const (
	peerVariable = "GRAFNODE_RDMA_PEER" // address of the owner, on both
	cutHere      = "pull the cable"
	mendHere     = "mend the cable"
	killHere     = "kill the owner"
)

// introduction is what the ends tell each other over TCP.
type introduction struct {
	Address verbs.Address
	Remote  verbs.Remote
}

// meet connects e with the end at the other side of conn. When it returns both can be written to.
func (e *end) meet(conn net.Conn) (peer verbs.Remote) {
	e.t.Helper()
	from, to := json.NewDecoder(conn), json.NewEncoder(conn)
	require.NoError(e.t, e.PostReceives(room.Receives))
	require.NoError(e.t, to.Encode(introduction{e.Local(), e.region.Remote()}))
	var other introduction
	require.NoError(e.t, from.Decode(&other))
	require.NoError(e.t, e.Connect(other.Address, retry))
	require.NoError(e.t, to.Encode("connected"))
	var word string
	require.NoError(e.t, from.Decode(&word))
	return other.Remote
}

func peer(t *testing.T) string {
	address := os.Getenv(peerVariable)
	if address == "" {
		t.Skip("needs two hosts: see integration/rdma")
	}
	return address
}

// TestOwner serves connection after connection until its host dies: each has memory of its own, and what is written there comes back.
func TestOwner(t *testing.T) {
	address := peer(t)
	d := openDevice(t)
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	for {
		conn, err := l.Accept()
		require.NoError(t, err)
		e := newEnd(t, d)
		back := e.meet(conn)
		go func() { // until the pair fails, as the writer's end goes
			for e.echo(back) == nil {
			}
		}()
	}
}

// echo writes back what the next writes have brought.
func (e *end) echo(back verbs.Remote) error {
	into := make([]verbs.Completion, 16)
	n, err := e.Poll(into)
	if err != nil {
		return err
	}
	if n == 0 {
		return e.Wait()
	}
	for _, c := range into[:n] {
		if c.Status != verbs.StatusOK {
			return fmt.Errorf("%v", c.Status)
		}
		if c.Kind == verbs.Received {
			if err := e.PostReceives(1); err != nil {
				return err
			}
			w := verbs.Write{Local: e.mem[:c.Imm], Key: e.region.LocalKey(), To: back.At, RKey: back.Key, Signaled: true, WithImm: true, Imm: c.Imm}
			if err := e.Post([]verbs.Write{w}); err != nil {
				return err
			}
		}
	}
	return nil
}

// call sets a connection up. The owner's host may still be starting.
func call(t *testing.T, address string, d verbs.Device) (*end, verbs.Remote) {
	t.Helper()
	var conn net.Conn
	require.Eventually(t, func() (ok bool) {
		var err error
		conn, err = net.DialTimeout("tcp", address, patience)
		return err == nil
	}, 4*patience, patience/100)
	t.Cleanup(func() { _ = conn.Close() }) // the other end may be gone
	e := newEnd(t, d)
	return e, e.meet(conn)
}

// ping writes n bytes, and waits for them to come back into memory that was clear meanwhile. It returns how the write ended.
func (e *end) ping(n int, to verbs.Remote) verbs.Status {
	e.t.Helper()
	w := verbs.Write{ID: 1, Local: e.mem[:n], Key: e.region.LocalKey(), To: to.At, RKey: to.Key, Signaled: true, WithImm: true, Imm: uint32(n)}
	require.NoError(e.t, e.Post([]verbs.Write{w}))
	for range 2 {
		c := e.completions(1)[0]
		if c.Status != verbs.StatusOK {
			return c.Status
		}
		if c.Kind == verbs.Received {
			require.Equal(e.t, uint32(n), c.Imm)
			require.NoError(e.t, e.PostReceives(1))
		}
	}
	return verbs.StatusOK
}

// TestWriter writes to the owner: it sees its host's memory used, a link that is lost, and the host's death, each within its retries.
func TestWriter(t *testing.T) {
	address := peer(t)
	d := openDevice(t)
	t.Run("set-up", func(t *testing.T) {
		for i := range 3 {
			e, to := call(t, address, d)
			for j := range e.mem {
				e.mem[j] = byte(i + j*7)
			}
			want := slices.Clone(e.mem)
			require.Equal(t, verbs.StatusOK, e.ping(len(e.mem), to))
			require.Equal(t, want, e.mem)
		}
	})
	t.Run("loss of the link", func(t *testing.T) {
		e, to := call(t, address, d)
		require.Equal(t, verbs.StatusOK, e.ping(8, to))
		fmt.Println(cutHere)
		status := e.lost(to)
		fmt.Println(mendHere)
		require.Equal(t, verbs.StatusRetries, status)
		again, to := call(t, address, d)
		require.Equal(t, verbs.StatusOK, again.ping(8, to))
	})
	t.Run("loss of the peer", func(t *testing.T) {
		e, to := call(t, address, d)
		require.Equal(t, verbs.StatusOK, e.ping(8, to))
		fmt.Println(killHere)
		require.Equal(t, verbs.StatusRetries, e.lost(to))
	})
}

// lost goes on until a write fails. Without an answer of the owner's program its own retries end a write all the same.
func (e *end) lost(to verbs.Remote) verbs.Status {
	for {
		w := verbs.Write{ID: 1, Local: e.mem[:8], Key: e.region.LocalKey(), To: to.At, RKey: to.Key, Signaled: true}
		require.NoError(e.t, e.Post([]verbs.Write{w}))
		if c := e.next(); c.Status != verbs.StatusOK {
			return c.Status
		}
	}
}

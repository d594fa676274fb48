//go:build rdma

package rdma_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/rdma"
	"github.com/grafnode/grafnode/fabric/shm"
	"github.com/grafnode/grafnode/fabric/tcp"
)

// The tests of two hosts: integration/rdma runs TestAcrossProducer on one and TestAcrossOwner on the other, and cuts and kills when the
// producer's console asks for it.
const (
	peerVariable = "GRAFNODE_RDMA_PEER" // address of the owner, on both
	cutHere      = "pull the cable"
	mendHere     = "mend the cable"
	killHere     = "kill the owner"
)

func peerAddress(t *testing.T) string {
	address := os.Getenv(peerVariable)
	if address == "" {
		t.Skip("needs two hosts: see integration/rdma")
	}
	return address
}

// acrossRecord is the length of the i-th record, and acrossCapacity the ring's, which they go around many times.
func acrossRecord(i int) int { return i * 37 % 1000 }

const acrossCapacity = fabric.CapacityMin

// reading is an owner of rings that come into being when they are asked for, and whose consumers check what comes.
type reading struct {
	t      *testing.T
	direct *rdma.Fabric
}

func (r *reading) Resolve(_ context.Context, h tcp.Hello) (fabric.Arena, error) {
	a, err := shm.New(fabric.Config{Arena: h.Arena, Edge: h.Edge, Generation: h.Generation, Capacity: acrossCapacity})
	if err != nil {
		return nil, err
	}
	c, err := a.Consumer()
	if err != nil {
		return nil, err
	}
	if err := c.SetResume([]byte("start")); err != nil {
		return nil, err
	}
	go r.read(c)
	return a, nil
}

// read acknowledges records, which the stable note counts, until the ring is lost.
func (r *reading) read(c fabric.Consumer) {
	for i := 0; ; {
		b, err := c.Next()
		switch {
		case err == nil:
			if string(b) != string(filled(i, acrossRecord(i))) {
				panic(fmt.Sprintf("record %d is another", i))
			}
			i++
			if err := c.Ack(uint64(i), fmt.Append(nil, i)); err != nil {
				return
			}
		case fabric.Lost(err):
			return
		default:
			if c.Wait(r.t.Context()) != nil {
				return
			}
		}
	}
}

// TestAcrossOwner has the rings, until its host dies.
func TestAcrossOwner(t *testing.T) {
	address := peerAddress(t)
	_, far, _, _ := openAdapters(t)
	r := &reading{t: t, direct: far}
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	for {
		conn, err := l.Accept()
		require.NoError(t, err)
		go func() {
			if _, err := conn.Read(make([]byte, len(api.PrefaceData))); err == nil {
				fmt.Println("served:", tcp.Server{Resolver: r, Direct: r.direct}.Serve(t.Context(), conn))
			}
		}()
	}
}

// across is a producer of a ring on the owner's host.
type across struct {
	t    *testing.T
	p    fabric.Producer
	sent int
}

// attachAcross attaches one. The owner's host may still be starting.
func attachAcross(t *testing.T, address string, direct tcp.Direct) *across {
	t.Helper()
	a := &across{t: t}
	c := fabrictest.Config(acrossCapacity)
	require.Eventually(t, func() (ok bool) {
		p, err := tcp.DialProducer(t.Context(), tcp.Attach{Address: address, Direct: direct, Hello: tcp.Hello{
			Edge: c.Edge, Generation: c.Generation, Arena: c.Arena, Session: "s", Token: "secret", Revision: 1, Heartbeat: suiteHeartbeat,
		}})
		a.p = p
		return err == nil
	}, patience, patience/1000)
	t.Cleanup(func() { _ = a.p.Close() }) // of a lost ring it may say so
	return a
}

// push sends the next n records, or fewer: until the ring is lost.
func (a *across) push(n int) error {
	for ; n > 0; n-- {
		b, err := a.p.Claim(acrossRecord(a.sent))
		for errors.Is(err, fabric.ErrFull) {
			if err = a.p.Wait(a.t.Context()); err == nil {
				b, err = a.p.Claim(acrossRecord(a.sent))
			}
		}
		if err != nil {
			return err
		}
		copy(b, filled(a.sent, len(b)))
		if err := a.p.Commit(); err != nil {
			return err
		}
		if a.sent++; a.sent%8 == 0 || n == 1 {
			if err := a.p.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle waits until the consumer has acknowledged everything.
func (a *across) settle() {
	a.t.Helper()
	for {
		note, ok, err := a.p.Stable()
		require.NoError(a.t, err)
		if ok && string(note) == fmt.Sprint(a.sent) {
			return
		}
		if !ok {
			require.NoError(a.t, a.p.Wait(a.t.Context()))
		}
	}
}

// lost pushes on until the ring is lost, and returns why.
func (a *across) lost() error {
	for {
		if err := a.push(1); err != nil {
			return err
		}
	}
}

// TestAcrossProducer writes into another host's memory, and loses it by a cut and by that host's death.
func TestAcrossProducer(t *testing.T) {
	address := peerAddress(t)
	_, far, _, _ := openAdapters(t)
	t.Run("set-up", func(t *testing.T) {
		a := attachAcross(t, address, far)
		before := far.Stats()
		require.NoError(t, a.push(2000))
		a.settle()
		after := far.Stats()
		require.Zero(t, after.Fallbacks, "it went by TCP")
		require.Greater(t, after.Bytes-before.Bytes, uint64(10*acrossCapacity), "the adapter has written around the ring many times")
		require.NoError(t, a.p.Close())
	})
	t.Run("tcp and back", func(t *testing.T) {
		for _, direct := range []tcp.Direct{far, nil, far} {
			before := far.Stats()
			a := attachAcross(t, address, direct)
			require.NoError(t, a.push(200))
			a.settle()
			require.Equal(t, direct != nil, far.Stats().Posts > before.Posts)
			require.NoError(t, a.p.Close())
		}
	})
	t.Run("loss of the link", func(t *testing.T) {
		a := attachAcross(t, address, far)
		require.NoError(t, a.push(100))
		a.settle()
		fmt.Println(cutHere)
		err := a.lost()
		fmt.Println(mendHere)
		require.ErrorIs(t, err, fabric.ErrDisconnected)
		again := attachAcross(t, address, far)
		require.NoError(t, again.push(100))
		again.settle()
	})
	t.Run("loss of the peer", func(t *testing.T) {
		a := attachAcross(t, address, far)
		require.NoError(t, a.push(100))
		a.settle()
		fmt.Println(killHere)
		require.ErrorIs(t, a.lost(), fabric.ErrDisconnected)
	})
}

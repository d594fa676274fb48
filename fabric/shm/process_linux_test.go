package shm_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/shm"
	"github.com/grafnode/grafnode/internal/boottime"
)

func newArena(t *testing.T) *shm.Arena {
	a, err := shm.New(fabrictest.Config(fabric.CapacityMin))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// next returns the next record, waiting for it; after is what may end the waiting.
func next(t *testing.T, c fabric.Consumer) ([]byte, error) {
	ctx := patient(t)
	for {
		b, err := c.Next()
		if !errors.Is(err, fabric.ErrEmpty) {
			return b, err
		}
		require.NoError(t, c.Wait(ctx))
	}
}

func TestTwoChildren(t *testing.T) {
	const records = 20000
	a := newArena(t)
	p, c := startChild(t), startChild(t)
	p.attach(a, fabric.RoleProducer, "produce", records)
	c.attach(a, fabric.RoleConsumer, "consume", records)
	p.bind(a, fabric.RoleProducer)
	c.bind(a, fabric.RoleConsumer)
	p.receive()
	c.receive() // it has checked every record
	require.Equal(t, fabric.Usage{Committed: records, Acked: records}, a.Usage())
}

// TestProducerKilledWithinRecord kills a producer that has written half of a record.
func TestProducerKilledWithinRecord(t *testing.T) {
	const records = 20
	a := newArena(t)
	c, err := a.Consumer()
	require.NoError(t, err)
	defer c.Close()
	child := startChild(t)
	child.attach(a, fabric.RoleProducer, "tear", records)
	child.bind(a, fabric.RoleProducer)
	child.receive()
	child.kill()
	a.Seal(fabric.ErrSealed)
	for i := range uint64(records) {
		b, err := next(t, c)
		require.NoError(t, err)
		require.NoError(t, check(b, i))
	}
	_, err = next(t, c)
	require.ErrorIs(t, err, fabric.ErrSealed)
}

// TestProducerKilledAnywhere kills a producer in full flow, at random points.
func TestProducerKilledAnywhere(t *testing.T) {
	for round := range uint64(10) {
		a := newArena(t)
		c, err := a.Consumer()
		require.NoError(t, err)
		child := startChild(t)
		child.attach(a, fabric.RoleProducer, "produce", 1<<40)
		child.bind(a, fabric.RoleProducer)
		i := uint64(0)
		for {
			b, err := next(t, c)
			if err != nil {
				require.ErrorIs(t, err, fabric.ErrSealed)
				break
			}
			require.NoError(t, check(b, i), "round %d", round)
			if i++; i == 100+round*777 {
				child.kill()
				a.Seal(fabric.ErrSealed)
			}
			if err := c.Ack(i, nil); err != nil {
				require.ErrorIs(t, err, fabric.ErrSealed)
			}
		}
		require.EqualValues(t, a.Usage().Committed, i, "every published record is there")
		require.NoError(t, c.Close())
	}
}

// TestConsumerKilledAnywhere kills a consumer in full flow: its last note and its cursor are whole.
func TestConsumerKilledAnywhere(t *testing.T) {
	for round := range uint64(10) {
		a := newArena(t)
		p, err := a.Producer()
		require.NoError(t, err)
		child := startChild(t)
		child.attach(a, fabric.RoleConsumer, "consume", 1<<40)
		child.bind(a, fabric.RoleConsumer)
		ctx, killed, stable := patient(t), false, uint64(0)
		for i := uint64(0); ; {
			note, ok, err := p.Stable()
			require.NoError(t, err)
			if ok {
				require.Len(t, note, 8)
				require.Greater(t, binary.LittleEndian.Uint64(note), stable)
				stable = binary.LittleEndian.Uint64(note)
			}
			if stable > 100+round*777 && !killed {
				child.kill()
				killed = true
			}
			b, err := p.Claim(lengthOf(i))
			if errors.Is(err, fabric.ErrFull) {
				if killed {
					break // for good: nobody acks
				}
				require.NoError(t, p.Wait(ctx))
				continue
			}
			require.NoError(t, err)
			fill(b, i)
			require.NoError(t, p.Commit())
			i++
		}
		acked := a.Usage().Acked
		require.LessOrEqual(t, acked, stable, "the note goes first")
		require.LessOrEqual(t, stable, acked+1)
		a.Seal(fabric.ErrRevoked)
		require.ErrorIs(t, p.Flush(), fabric.ErrRevoked)
		require.NoError(t, p.Close())
	}
}

// restart plays the death of a node: a child makes the ring and hands out both sides, then is killed.
func restart(t *testing.T, cfg fabric.Config) (*shm.Producer, *shm.Consumer) {
	t.Helper()
	return restartWith(t, cfg, 0)
}

// restartWith is restart of a node that, once both sides are mapped, lets the ring end after a time; zero: it leaves the deadline.
func restartWith(t *testing.T, cfg fabric.Config, left time.Duration) (*shm.Producer, *shm.Consumer) {
	t.Helper()
	node := startChild(t)
	node.send(message{Config: cfg, Task: "node"})
	_, list := node.receive()
	files, err := shm.FilesOf(list)
	require.NoError(t, err)
	p, err := shm.OpenProducer(cfg, files)
	require.NoError(t, err)
	node.send(message{})
	_, list = node.receive()
	files, err = shm.FilesOf(list)
	require.NoError(t, err)
	c, err := shm.OpenConsumer(cfg, files)
	require.NoError(t, err)
	node.send(message{N: uint64(left)})
	_, list = node.receive()
	require.NoError(t, p.BindPeer(list[0]))
	_, list = node.receive()
	require.NoError(t, c.BindPeer(list[0]))
	node.kill()
	t.Cleanup(func() {
		require.NoError(t, p.Close())
		require.NoError(t, c.Close())
	})
	return p, c
}

func TestRingOutlivesItsNode(t *testing.T) {
	cfg := fabrictest.Config(fabric.CapacityMin)
	cfg.Deadline = boottime.Now().Add(time.Minute)
	p, c := restart(t, cfg)
	push := func(i uint64) {
		t.Helper()
		b, err := p.Claim(lengthOf(i))
		require.NoError(t, err)
		fill(b, i)
		require.NoError(t, p.Commit())
		require.NoError(t, p.Flush())
	}
	pop := func(i uint64) {
		t.Helper()
		b, err := next(t, c)
		require.NoError(t, err)
		require.NoError(t, check(b, i))
	}
	push(0)
	pop(0)
	push(1)

	parts, err := p.HandBack()
	require.NoError(t, err)
	again, err := c.HandBack()
	require.NoError(t, err)
	defer again.Close()
	a, err := shm.Adopt(cfg, parts)
	require.NoError(t, err)
	defer a.Close()
	require.NoError(t, a.Recognize(again))
	require.EqualValues(t, 2, a.Usage().Committed)
	_, err = a.Producer()
	require.ErrorIs(t, err, fabric.ErrTaken)
	_, err = a.Grant(fabric.RoleConsumer)
	require.ErrorIs(t, err, fabric.ErrTaken)

	pop(1)
	push(2)
	pop(2)
	a.SetDeadline(boottime.Now().Add(time.Hour))

	// The new node seals, and both are woken.
	ended := make(chan error, 1)
	go func() {
		for {
			if err := p.Wait(context.Background()); err != nil {
				ended <- err
				return
			}
		}
	}()
	a.Seal(fabric.ErrRevoked)
	require.ErrorIs(t, <-ended, fabric.ErrRevoked)
	_, err = next(t, c)
	require.ErrorIs(t, err, fabric.ErrRevoked)
}

func TestAdoptRefusesWhatIsOver(t *testing.T) {
	cfg := fabrictest.Config(fabric.CapacityMin)
	cfg.Deadline = boottime.Now().Add(time.Minute)
	p, c := restartWith(t, cfg, 200*time.Millisecond)
	ctx := patient(t)
	for p.Wait(ctx) == nil { // until the deadline
	}
	parts, err := c.HandBack()
	require.NoError(t, err)
	_, err = shm.Adopt(cfg, parts)
	require.ErrorIs(t, err, fabric.ErrLeaseExpired)
	require.ErrorIs(t, p.Flush(), fabric.ErrLeaseExpired)
}

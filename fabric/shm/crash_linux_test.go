//go:build crashsteps

package shm_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/internal/step"
	"github.com/grafnode/grafnode/fabric/shm"
)

// doomed starts a child that dies at a step after it has passed it so often.
func doomed(t *testing.T, name string, passed int) *child {
	return startChild(t, fmt.Sprintf("%s=%s:%d", step.Variable, name, passed))
}

// died waits until the child is gone: by the step, not by an error of its own.
func (c *child) died() {
	c.t.Helper()
	var m message
	for {
		if _, err := c.conn.Receive(&m); err != nil {
			break
		}
	}
	c.cmd.Wait()
	require.Equal(c.t, "signal: killed", c.cmd.ProcessState.String())
}

// join hands a role to a child that may die meanwhile, and reports whether it lived to be bound to its peer.
func (c *child) join(a *shm.Arena, role fabric.Role, task string) bool {
	c.t.Helper()
	files, err := a.Grant(role)
	require.NoError(c.t, err)
	c.send(message{a.Config(), role, task, 1 << 40}, files.List()...)
	var m message
	if _, err := c.conn.Receive(&m); err != nil {
		return false
	}
	require.NoError(c.t, a.Mapped(role))
	c.bind(a, role)
	return true
}

func TestProducerDiesAtEachStep(t *testing.T) {
	for _, at := range fabrictest.DyingSteps([]int{0, 5, 300}, "attach/mapped", "attach/sealed", "attach/peer") {
		t.Run(at.String(), func(t *testing.T) {
			a := newArena(t)
			doomed := doomed(t, at.Name, at.Passed)
			fabrictest.ProducerDies(t, fabrictest.Dying{
				Arena: a, Check: check, Died: doomed.died,
				Join: func() bool { return doomed.join(a, fabric.RoleProducer, "produce") },
			})
		})
	}
}

func TestConsumerDiesAtEachStep(t *testing.T) {
	for _, name := range []string{"attach/mapped", "attach/sealed", "attach/peer", "want", "want/visible", "resume", "read",
		"ack/written", "ack/noted", "ack/counted", "ack/visible"} {
		for _, passed := range []int{0, 5, 300} {
			if passed > 0 && (name[0] == 'a' && name[1] == 't' || name == "resume" || name[0] == 'w') {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", name, passed), func(t *testing.T) { consumerDies(t, name, passed) })
		}
	}
}

// consumerDies shows that the producer sees whole notes, room for what was freed and no more, and can leave.
func consumerDies(t *testing.T, name string, passed int) {
	a := newArena(t)
	p, err := a.Producer()
	require.NoError(t, err)
	defer p.Close()
	doomed := doomed(t, name, passed)
	doomed.join(a, fabric.RoleConsumer, "consume")
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		doomed.died()
	}()
	sent := fillUntil(t, p, 0, gone)
	wanted, err := p.MoveWanted()
	require.NoError(t, err)
	used := a.Usage()
	require.LessOrEqual(t, used.Acked, sent)
	resume, ok, err := p.Resume()
	require.NoError(t, err)
	require.True(t, !ok || string(resume) == "resume", "%q", resume)
	require.True(t, wanted || !ok && name != "want/visible", "it is said before the note")
	if note, ok, err := p.Stable(); ok {
		require.LessOrEqual(t, binary.LittleEndian.Uint64(note), used.Acked+1)
	} else {
		require.NoError(t, err)
	}
	a.Seal(fabric.ErrSealed)
	require.ErrorIs(t, p.Flush(), fabric.ErrSealed)
}

// fillUntil sends test records until the ring is full and the consumer gone, and returns how many there are.
func fillUntil(t *testing.T, p fabric.Producer, sent uint64, gone <-chan struct{}) uint64 {
	for {
		b, err := p.Claim(lengthOf(sent))
		if err == nil {
			fill(b, sent)
			require.NoError(t, p.Commit())
			require.NoError(t, p.Flush())
			sent++
			continue
		}
		require.ErrorIs(t, err, fabric.ErrFull)
		select {
		case <-gone:
			return sent
		default:
		}
	}
}

func TestNodeDiesInASeal(t *testing.T) {
	for _, name := range []string{"seal", "seal/set"} {
		t.Run(name, func(t *testing.T) {
			node := doomed(t, name, 0)
			p, c := fromNode(t, node)
			defer p.Close()
			defer c.Close()
			node.send(message{Task: "seal"})
			node.died()
			want := fabric.ErrSealed
			if name == "seal" {
				want = nil // it goes on, until the deadline or until a new node takes over
			}
			for _, err := range []error{p.Flush(), c.Ack(0, nil)} {
				require.True(t, errors.Is(err, want) || err == want, "%v", err)
			}
		})
	}
}

// fromNode opens both sides of the ring of a node that is another process.
func fromNode(t *testing.T, node *child) (p *shm.Producer, c *shm.Consumer) {
	cfg := fabrictest.Config(fabric.CapacityMin)
	node.send(message{Config: cfg, Task: "node"})
	for range 2 {
		m, list := node.receive()
		files, err := shm.FilesOf(list)
		require.NoError(t, err)
		if m.Role == fabric.RoleProducer {
			p, err = shm.OpenProducer(cfg, files)
		} else {
			c, err = shm.OpenConsumer(cfg, files)
		}
		require.NoError(t, err)
		node.send(message{})
	}
	for range 2 {
		m, list := node.receive()
		if m.Role == fabric.RoleProducer {
			require.NoError(t, p.BindPeer(list[0]))
		} else {
			require.NoError(t, c.BindPeer(list[0]))
		}
	}
	return p, c
}

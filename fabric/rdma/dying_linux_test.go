//go:build rdma && crashsteps

package rdma_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/internal/step"
	"github.com/grafnode/grafnode/fabric/rdma"
	"github.com/grafnode/grafnode/fabric/rdma/ibverbs"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
	"github.com/grafnode/grafnode/fabric/tcp"
)

// dyingVariable holds the dyingTask of a child: this test binary again, which does nothing but produce.
const dyingVariable = "GRAFNODE_RDMA_DYING"

// dyingTask has the port, too: to look for it takes an emulated machine as long as to write the records.
type dyingTask struct {
	Attach tcp.Attach
	Port   verbs.Port
}

const joined = "joined"

func init() {
	if text := os.Getenv(dyingVariable); text != "" {
		fmt.Fprintln(os.Stderr, "it lives on:", produce(text))
		os.Exit(1)
	}
}

// produce writes records by the adapter until it dies.
func produce(text string) error {
	var task dyingTask
	if err := json.Unmarshal([]byte(text), &task); err != nil {
		return err
	}
	direct, err := rdma.Open(rdma.Config{Provider: ibverbs.New(), Port: task.Port, Retry: retryStarved})
	if err != nil {
		return err
	}
	task.Attach.Direct = direct
	p, err := tcp.DialProducer(context.Background(), task.Attach)
	if err != nil {
		return err
	}
	if direct.Stats().Fallbacks > 0 {
		return errors.New("it went by TCP")
	}
	fmt.Println(joined)
	if err := p.Activate(); err != nil {
		return err
	}
	for i := 0; err == nil; i++ {
		err = produceNext(p, i)
	}
	return err
}

func produceNext(p fabric.Producer, i int) error {
	b, err := p.Claim(acrossRecord(i))
	for errors.Is(err, fabric.ErrFull) {
		if err = p.Wait(context.Background()); err == nil {
			b, err = p.Claim(acrossRecord(i))
		}
	}
	if err != nil {
		return err
	}
	want := filled(i, len(b))
	copy(b, want[:len(b)/2])
	step.At("write")
	copy(b, want)
	if err := p.Commit(); err != nil {
		return err
	}
	if i%7 == 6 {
		return p.Flush()
	}
	return nil
}

// dying is such a child, seen by its parent.
type dying struct {
	t   *testing.T
	cmd *exec.Cmd
	out *bufio.Reader
}

func startDying(t *testing.T, h *hosts, port verbs.Port, at fabrictest.DyingStep) *dying {
	text, err := json.Marshal(dyingTask{h.attach(), port})
	require.NoError(t, err)
	d := &dying{t: t, cmd: exec.Command(os.Args[0])}
	d.cmd.Env = append(os.Environ(), dyingVariable+"="+string(text), fmt.Sprintf("%s=%s:%d", step.Variable, at.Name, at.Passed))
	d.cmd.Stderr = os.Stderr
	out, err := d.cmd.StdoutPipe()
	require.NoError(t, err)
	d.out = bufio.NewReader(out)
	require.NoError(t, d.cmd.Start())
	return d
}

func (d *dying) join() bool {
	line, _ := d.out.ReadString('\n') // its end is what it may say instead
	return line == joined+"\n"
}

// died waits until the child is gone: by the step, not by an error of its own.
func (d *dying) died() {
	_ = d.cmd.Wait()
	require.Equal(d.t, "signal: killed", d.cmd.ProcessState.String())
}

// A producer whose records go by an adapter dies at each step of its own, of the ring's, and of setting the way up. The way ends with it, and the ring is
// as one in shared memory.
func TestProducerDiesAtEachStep(t *testing.T) {
	steps := fabrictest.DyingSteps([]int{0, 300}, "attach/offered", "attach/connected", "attach/proved", "post", "post/done")
	ports, err := ibverbs.New().Ports()
	require.NoError(t, err)
	for _, often := range []string{"post", "post/done"} {
		steps = append(steps, fabrictest.DyingStep{Name: often, Passed: 40})
	}
	for _, at := range steps {
		t.Run(at.String(), func(t *testing.T) {
			t.Parallel()
			h := newHosts(t, fabrictest.Config(acrossCapacity), 40)
			d := startDying(t, h, ports[0], at)
			fabrictest.ProducerDies(t, fabrictest.Dying{
				Arena: h.arena, Join: d.join, Died: d.died,
				Check: func(b []byte, i uint64) error {
					if string(b) != string(filled(int(i), acrossRecord(int(i)))) {
						return fmt.Errorf("record %d is another", i)
					}
					return nil
				},
			})
			require.Zero(t, h.owner.Stats().Fallbacks)
			require.NoError(t, h.arena.Close())
		})
	}
}

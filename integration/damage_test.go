package integration

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/api"
	log "github.com/grafnode/grafnode/examples/accesslog"
)

// Memory that a stage has not read yet is damaged: the stage notices, takes a new ring, and has it filled again.
func TestRingDamaged(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, newCluster(t, 3), someLines, someRate)
	p.flows(500)
	before := p.c.edge(log.EdgeIngest)
	p.pause(log.StageParse, false)
	p.damage(log.StageIngest)
	p.stages[log.StageParse].signal(syscall.SIGCONT)
	eventually(t, "the edge has a new ring", func(context.Context) bool {
		return p.c.edge(log.EdgeIngest).Generation > before.Generation
	})
	history, err := p.c.nodes[0].api.History(t.Context(), log.EdgeIngest)
	require.NoError(t, err)
	// The consumer asks for another ring, or to move to the spare if that is armed already; the producer, whose ring also keeps what is
	// not acknowledged, finds that damaged, and its stage starts over. A consumer that has moved by then loses the spare with it.
	next := history[slices.IndexFunc(history, func(c api.Change) bool { return c.Generation > before.Generation })]
	require.Contains(t, []api.Reason{api.ReasonCorrupt, api.ReasonMoved, api.ReasonTakeover, api.ReasonRingLost}, next.Reason, "%+v", history)
	if next.Reason == api.ReasonTakeover {
		require.Greater(t, p.c.edge(log.EdgeIngest).Producer.Epoch, before.Producer.Epoch, "it is the producer that starts over: %+v", history)
	}
	p.finish()
}

// ringData is where the records begin in a producer's part: on its second page. On the first, at zero, is the number of bytes
// ever written.
const ringData = 4096

// damage waits until a stage has written more to its ring and overwrites all of that ring's records. The stage's reader is to
// stand still, so that something is unread.
func (p *pipeline) damage(stage string) {
	p.t.Helper()
	proc := p.stages[stage]
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", proc.pid()), os.O_RDWR, 0)
	require.NoError(p.t, err)
	defer mem.Close()
	from, to := mapping(p.t, proc, "grafnode-producer")
	written := func() uint64 {
		var word [8]byte
		_, err := mem.ReadAt(word[:], from)
		require.NoError(p.t, err)
		return binary.LittleEndian.Uint64(word[:])
	}
	start := written()
	eventually(p.t, stage+" has written more", func(context.Context) bool { return written() > start+10_000 })
	_, err = mem.WriteAt(bytes.Repeat([]byte{0xa5}, int(to-from)-ringData), from+ringData)
	require.NoError(p.t, err)
}

// mapping returns where a process has its only memfd of a name mapped for writing, from its beginning on. (Records are mapped
// once more, so that none is in two pieces.)
func mapping(t *testing.T, proc *process, memfd string) (from, to int64) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", proc.pid()))
	require.NoError(t, err)
	found := 0
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "/memfd:"+memfd) && strings.Contains(line, " rw-s 00000000 ") {
			_, err := fmt.Sscanf(line, "%x-%x", &from, &to)
			require.NoError(t, err)
			found++
		}
	}
	require.Equal(t, 1, found, "mappings of %s in %s:\n%s", memfd, proc.name, maps)
	return from, to
}

// The leader's disk fails: it ends at once and says why, the others elect, and with a disk that works it is back.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	p := newPipeline(t, c, someLines, someRate)
	p.flows(500)
	leader := c.leader()
	leader.limitFiles()
	eventually(t, "the leader has ended", func(ctx context.Context) bool {
		_, _ = leader.api.Relocate(ctx, log.EdgeEnrich, api.RelocateRequest{}) // something to write; it will not live to answer
		select {
		case <-leader.ended():
			return true
		default:
			return false
		}
	})
	require.Error(t, leader.wait())
	require.True(t, leader.said("the node cannot go on"))
	require.True(t, leader.said("file too large"), "the cause, as the system words it")
	require.NotEqual(t, leader, c.leader())
	p.flows(300)
	leader.start()
	leader.ready()
	p.finish()
}

// limitFiles makes all writes of the process fail but those at the beginning of files. What it logs still fits.
func (p *process) limitFiles() {
	p.t.Helper()
	info, err := os.Stat(p.log)
	require.NoError(p.t, err)
	limit := uint64(info.Size()) + 8<<10
	require.NoError(p.t, unix.Prlimit(p.pid(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit}, nil))
}

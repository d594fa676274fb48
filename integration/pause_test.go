package integration

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	log "github.com/grafnode/grafnode/examples/accesslog"
	"github.com/grafnode/grafnode/lease"
)

// A stage stops longer than its session lasts, loses its roles to a standby, and wakes up: it can do no harm.
func TestStagePaused(t *testing.T) {
	for _, stage := range log.Stages {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			if stage != log.StageStore {
				needsTime(t)
			}
			p := newPipeline(t, newCluster(t, 3), someLines, someRate)
			p.flows(500)
			p.pause(stage, false)
			p.replaced(stage)
			p.flows(500) // without the one that stands still
			p.wake(stage)
		})
	}
}

// The same in the middle of a transaction. The standby gets the role but cannot write, since SQLite's lock is with the process
// that stands still; when that wakes it may commit or not, and either way each line is stored once.
func TestStagePausedInTransaction(t *testing.T) {
	needsTime(t)
	t.Parallel()
	p := newPipeline(t, newCluster(t, 3), someLines, someRate)
	p.flows(500)
	p.pause(log.StageStore, true)
	before := p.stored(t.Context())
	p.replaced(log.StageStore)
	require.Equal(t, before, p.stored(t.Context()), "nobody else can write")
	p.wake(log.StageStore)
}

// replaced gives a paused stage a standby and waits until that has its role.
func (p *pipeline) replaced(stage string) {
	p.t.Helper()
	held := p.holder(stage)
	p.stages[stage+"-standby"] = p.add(stage+"-standby", stage, someRate)
	eventually(p.t, "the standby has the role", func(context.Context) bool {
		now := p.holder(stage)
		return now != held && now != ""
	})
}

// wake lets a paused stage go on, which must learn that it has been replaced, and waits until everything is stored. Which of
// the two processes then ends first is open: the other waits as standby for a role that nobody gives up any more.
func (p *pipeline) wake(stage string) {
	p.t.Helper()
	zombie := p.stages[stage]
	zombie.signal(syscall.SIGCONT)
	eventually(p.t, "the one that woke says that it was replaced", func(context.Context) bool {
		return zombie.said("session lost")
	})
	eventually(p.t, "all lines are stored", func(ctx context.Context) bool { return p.stored(ctx) >= p.lines })
	p.check()
}

// holder returns the session that has a stage's first role.
func (p *pipeline) holder(stage string) lease.SessionID {
	if stage == log.StageIngest {
		return p.c.edge(log.EdgeIngest).Producer.Session
	}
	in := map[string]string{log.StageParse: log.EdgeIngest, log.StageEnrich: log.EdgeParse, log.StageStore: log.EdgeEnrich}
	return p.c.edge(in[stage]).Consumer.Session
}

// pause stops a stage while it has the store's write lock, or while it has not: a process that stands still in a transaction
// keeps all others from writing, which SQLite can do nothing about and a test that wants the others to go on must avoid.
func (p *pipeline) pause(stage string, writing bool) {
	p.t.Helper()
	proc := p.stages[stage]
	eventually(p.t, fmt.Sprintf("%s stands still, writing: %v", stage, writing), func(context.Context) bool {
		proc.freeze()
		if p.writing(proc) == writing {
			return true
		}
		proc.signal(syscall.SIGCONT)
		return false
	})
}

// walWriteLock is the byte of the file "-shm" that SQLite's writer locks (WAL_WRITE_LOCK in its file format).
const walWriteLock = 120

// writing reports whether a process has the store's write lock.
func (p *pipeline) writing(proc *process) bool {
	p.t.Helper()
	info, err := os.Stat(p.store + "-shm")
	require.NoError(p.t, err)
	inode := fmt.Sprintf(":%d", info.Sys().(*syscall.Stat_t).Ino)
	locks, err := os.ReadFile("/proc/locks")
	require.NoError(p.t, err)
	for line := range strings.Lines(string(locks)) {
		// 7: POSIX  ADVISORY  WRITE 4711 fe:00:131099 120 120
		f := strings.Fields(line)
		if len(f) != 8 || f[3] != "WRITE" || f[4] != strconv.Itoa(proc.pid()) || !strings.HasSuffix(f[5], inode) {
			continue
		}
		first, err1 := strconv.Atoi(f[6])
		last, err2 := strconv.Atoi(f[7])
		if err1 == nil && err2 == nil && first <= walWriteLock && walWriteLock <= last {
			return true
		}
	}
	return false
}

// freeze stops the process and returns once all its threads stand still.
func (p *process) freeze() {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
	for {
		err := unix.Waitid(unix.P_PID, p.pid(), nil, unix.WSTOPPED, nil)
		if err != unix.EINTR {
			require.NoError(p.t, err)
			return
		}
	}
}

package tcp_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/shm"
)

func newShm(cfg fabric.Config) (fabric.Arena, error) { return shm.New(cfg) }

var benchArena = newShm

// cpuTime returns the processor time that this process has used.
func cpuTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestFabricOverShmProducerRemote(t *testing.T) {
	fabrictest.Run(t, over(newShm, fabric.RoleProducer))
}

func TestFabricOverShmConsumerRemote(t *testing.T) {
	fabrictest.Run(t, over(newShm, fabric.RoleConsumer))
}

package tcp_test

import (
	"testing"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/shm"
)

func newShm(cfg fabric.Config) (fabric.Arena, error) { return shm.New(cfg) }

func TestFabricOverShmProducerRemote(t *testing.T) {
	fabrictest.Run(t, over(newShm, fabric.RoleProducer))
}

func TestFabricOverShmConsumerRemote(t *testing.T) {
	fabrictest.Run(t, over(newShm, fabric.RoleConsumer))
}

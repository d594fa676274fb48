package rdma

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// What both of two machines are told: where the second is reached by the first, and what the first's console says to have something done.
const (
	peerVariable = "GRAFNODE_RDMA_PEER"
	cutHere      = "pull the cable"
	mendHere     = "mend the cable"
	killHere     = "kill the owner"
)

// In one machine: the shim over libibverbs, edges' rings over adapters by the suite that every fabric passes, what a hostile end can do, and
// producers that die at each step. Beside it two others, of which the second is there anew for each of three: the shim, and edges' rings, these in turn over
// adapters and over TCP, whose set-up is tested, the link cut, and the other host killed; and, unless it is to be short, a pipeline, see pipeline_test.go.
func TestAdapters(t *testing.T) {
	b := newMachines(t)
	shim, ring := b.compile("fabric/rdma/ibverbs"), b.compile("fabric/rdma")
	alone := b.boot(3, nil, nil, tests(shim), tests(ring, "-test.parallel=1", "-rapid.checks=20"))
	env := []string{peerVariable + "=" + address(2) + ":7400", agentsVariable + "=" + b.agents()}
	owners := []string{tests(shim, "-test.run=^TestOwner$"), tests(ring, "-test.run=^TestAcrossOwner$")}
	writers := []string{tests(shim, "-test.run=^TestWriter$"), tests(ring, "-test.run=^TestAcrossProducer$")}
	built := func() error { return nil }
	if !testing.Short() {
		pipeline := b.self()
		built = b.build("cmd/grafnode", "examples/accesslog/cmd/accesslog")
		owners = append(owners, tests(pipeline, "-test.run=^TestPipelineFar$"))
		writers = append(writers, tests(pipeline, "-test.run=^TestPipelineNear$"))
	}
	owner := b.boot(2, nil, env, owners[0])
	writer := b.boot(1, map[string]func() error{
		cutHere:  func() error { return owner.Cable(false) },
		mendHere: func() error { return owner.Cable(true) },
		killHere: func() (err error) {
			owner.Off()
			if owner.Wait(b.ctx) == nil {
				return errors.New("the owner had ended already")
			}
			if owners = owners[1:]; len(owners) == 0 {
				return nil
			}
			if err := built(); err != nil { // the last needs it, and by now it is
				return err
			}
			owner, err = b.start(2, nil, env, owners[0])
			return err
		},
	}, env, writers...)
	require.NoError(t, writer.Wait(b.ctx))
	require.Empty(t, owners)
	require.NoError(t, alone.Wait(b.ctx))
	b.tell()
}

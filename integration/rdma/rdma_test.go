package rdma

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The shim over libibverbs, on an adapter.
func TestShim(t *testing.T) {
	b := newLab(t)
	require.NoError(t, b.boot(1, nil, b.compile("fabric/rdma/ibverbs"), nil).Wait(b.ctx))
}

// The shim between two hosts: set-up, a link that is cut, and the other host's death.
func TestShimAcrossHosts(t *testing.T) {
	acrossHosts(t, "fabric/rdma/ibverbs", "TestWriter", "TestOwner")
}

// acrossHosts runs a package's tests in two machines. The first may ask for faults of the second, in the end for its death.
func acrossHosts(t *testing.T, pkg, first, second string) {
	b := newLab(t)
	path := b.compile(pkg)
	env := []string{"GRAFNODE_RDMA_PEER=" + address(2) + ":7400"}
	owner := b.boot(2, nil, path, env, "-test.run=^"+second+"$")
	writer := b.boot(1, map[string]func() error{
		"pull the cable": func() error { return owner.Cable(false) },
		"mend the cable": func() error { return owner.Cable(true) },
		"kill the owner": func() error { owner.Off(); return nil },
	}, path, env, "-test.run=^"+first+"$")
	require.NoError(t, writer.Wait(b.ctx))
	require.Error(t, owner.Wait(b.ctx), "it was killed")
}

// Edges' rings over adapters: the suite that every fabric passes, and what a hostile end can do.
func TestFabric(t *testing.T) {
	b := newLab(t)
	require.NoError(t, b.boot(1, nil, b.compile("fabric/rdma"), nil, "-test.parallel=1", "-rapid.checks=20").Wait(b.ctx))
}

// Edges' rings between two hosts, over adapters, over TCP and back; cut, and lost with their host.
func TestFabricAcrossHosts(t *testing.T) {
	acrossHosts(t, "fabric/rdma", "TestAcrossProducer", "TestAcrossOwner")
}

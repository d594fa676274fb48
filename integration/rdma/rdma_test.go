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
	b := newLab(t)
	path := b.compile("fabric/rdma/ibverbs")
	env := []string{"GRAFNODE_RDMA_PEER=" + address(2) + ":7400"}
	owner := b.boot(2, nil, path, env, "-test.run=^TestOwner$")
	writer := b.boot(1, map[string]func() error{
		"pull the cable": func() error { return owner.Cable(false) },
		"mend the cable": func() error { return owner.Cable(true) },
		"kill the owner": func() error { owner.Off(); return nil },
	}, path, env, "-test.run=^TestWriter$")
	require.NoError(t, writer.Wait(b.ctx))
	require.Error(t, owner.Wait(b.ctx), "it was killed")
}

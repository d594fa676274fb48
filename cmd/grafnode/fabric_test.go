package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric/rdma/ibverbs"
	"github.com/grafnode/grafnode/internal/adapter"
)

// A host whose only adapter has no address, in a directory.
func TestFabricProbe(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere it only says that RDMA needs Linux")
	}
	root := t.TempDir()
	for name, says := range map[string]string{
		"sys/class/infiniband/rxe0/node_type":          "1: CA",
		"sys/class/infiniband/rxe0/parent":             "eth0",
		"sys/class/infiniband/rxe0/ports/1/state":      "4: ACTIVE",
		"sys/class/infiniband/rxe0/ports/1/phys_state": "5: LinkUp",
		"sys/class/infiniband/rxe0/ports/1/link_layer": "Ethernet",
		"sys/class/infiniband_verbs/uverbs0/ibdev":     "rxe0",
		"dev/infiniband/uverbs0":                       "",
		"etc/libibverbs.d/rxe.driver":                  "driver rxe",
		"usr/lib64/libibverbs.so.1":                    "",
	} {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(says+"\n"), 0o644))
	}
	code, stdout, stderr := ask(t, "fabric", "probe", "--root", root, "--memory", "64KiB")
	require.Equal(t, exitUnhealthy, code, stderr)
	require.Contains(t, stdout, "rxe0 (InfiniBand, played by the kernel: right, not fast)")
	require.Contains(t, stdout, "ip addr add ADDRESS/BITS dev eth0")
	require.Contains(t, stderr, "port 1 of rxe0 has no RoCE v2 address")

	gids := filepath.Join(root, "sys/class/infiniband/rxe0/ports/1/gids")
	types := filepath.Join(root, "sys/class/infiniband/rxe0/ports/1/gid_attrs/types")
	require.NoError(t, os.MkdirAll(gids, 0o755))
	require.NoError(t, os.MkdirAll(types, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(gids, "1"), []byte("0000:0000:0000:0000:0000:ffff:0a09:0001\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(types, "1"), []byte("RoCE v2\n"), 0o644))
	code, stdout, stderr = ask(t, "fabric", "probe", "--root", root, "--memory", "64KiB", "--json")
	var report adapter.Report
	require.NoError(t, json.Unmarshal([]byte(stdout), &report))
	require.Equal(t, ibverbs.Built, report.Ready)
	if ibverbs.Built {
		require.Equal(t, exitOK, code, stderr)
	} else {
		require.Equal(t, exitUnhealthy, code)
		require.Contains(t, stderr, "built without RDMA")
	}
	require.Equal(t, "10.9.0.1", report.Adapters[0].Ports[0].GIDs[0].Address.String())

	code, _, stderr = ask(t, "fabric", "probe", "--root", filepath.Join(root, "nowhere"))
	require.Equal(t, exitUsage, code, stderr)
}

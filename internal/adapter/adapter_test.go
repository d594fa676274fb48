package adapter

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// tree is a fake file system: path and what the file says.
type tree map[string]string

func (t tree) with(more tree) tree {
	all := maps.Clone(t)
	maps.Copy(all, more)
	return all
}

// without removes a file, or all below a directory.
func (t tree) without(path string) tree {
	all := tree{}
	for name, says := range t {
		if name != path && !strings.HasPrefix(name, path+"/") {
			all[name] = says
		}
	}
	return all
}

func (t tree) fs() fs.FS {
	files := fstest.MapFS{}
	for name, says := range t {
		files[name] = &fstest.MapFile{Data: []byte(says + "\n")}
	}
	return files
}

func open(string) error { return nil }

func host(t tree) Host {
	return Host{OS: "linux", Files: t.fs(), Open: open, Lock: Locked{Unlimited: true}, Need: 1 << 28, Built: true}
}

const (
	mlx  = "sys/class/infiniband/mlx5_0/"
	port = mlx + "ports/1/"
	none = "0000:0000:0000:0000:0000:0000:0000:0000"
	v4   = "0000:0000:0000:0000:0000:ffff:0a09:0001"
	own  = "fe80:0000:0000:0000:5054:00ff:fe00:0001"
)

// userland is what packages bring.
var userland = tree{
	"etc/ld.so.cache":                           "glibc-ld.so.cache1.1\x00libibverbs.so.1\x00/lib/x86_64-linux-gnu/libibverbs.so.1\x00libc.so.6\x00/lib/libc.so.6\x00",
	"lib/x86_64-linux-gnu/libibverbs.so.1":      "",
	"etc/libibverbs.d/mlx5.driver":              "driver mlx5",
	"etc/libibverbs.d/rxe.driver":               "driver rxe",
	"sys/module/ib_core/refcnt":                 "3",
	"sys/module/ib_uverbs/refcnt":               "1",
	"sys/module/mlx5_ib/refcnt":                 "1",
	"sys/module/ext4/refcnt":                    "1",
	"sys/class/net/eth0/mtu":                    "9000",
	"sys/class/net/eth0/device/uevent":          "DRIVER=mlx5_core\nPCI_ID=15B3:1017",
	"sys/class/infiniband_verbs/abi_version":    "6",
	"sys/class/infiniband_verbs/uverbs0/ibdev":  "mlx5_0",
	"sys/class/infiniband_verbs/uverbs0/uevent": "",
}

// good is a host with one adapter whose port is up.
var good = userland.with(tree{
	mlx + "node_type":            "1: CA",
	mlx + "fw_ver":               "16.35.4030",
	port + "state":               "4: ACTIVE",
	port + "phys_state":          "5: LinkUp",
	port + "link_layer":          "Ethernet",
	port + "rate":                "100 Gb/sec (4X EDR)",
	port + "gids/0":              own,
	port + "gid_attrs/types/0":   "RoCE v2",
	port + "gid_attrs/ndevs/0":   "eth0",
	port + "gids/1":              v4,
	port + "gid_attrs/types/1":   "IB/RoCE v1",
	port + "gid_attrs/ndevs/1":   "eth0",
	port + "gids/10":             none,
	port + "gids/2":              v4,
	port + "gid_attrs/types/2":   "RoCE v2",
	port + "gid_attrs/ndevs/2":   "eth0",
	mlx + "ports/1/counters/x":   "0",
	mlx + "ports/not-a-number/x": "",
})

func TestAReadyHost(t *testing.T) {
	r := Probe(host(good))
	require.Empty(t, r.Problems)
	require.True(t, r.Ready)
	require.Equal(t, "/lib/x86_64-linux-gnu/libibverbs.so.1", r.Library)
	require.Equal(t, []string{"mlx5", "rxe"}, r.Drivers)
	require.Equal(t, []string{"ib_core", "ib_uverbs", "mlx5_ib"}, r.Modules)
	require.Len(t, r.Adapters, 1)
	a := r.Adapters[0]
	require.Equal(t, "mlx5_0", a.Name)
	require.Equal(t, "InfiniBand", a.Type)
	require.Equal(t, "16.35.4030", a.Firmware)
	require.Equal(t, "/dev/infiniband/uverbs0", a.Device)
	require.False(t, a.Software)
	routed := GID{Index: 2, Address: netip.MustParseAddr("10.9.0.1"), Type: "RoCE v2", Interface: "eth0"}
	local := GID{Index: 0, Address: netip.MustParseAddr("fe80::5054:ff:fe00:1"), Type: "RoCE v2", Interface: "eth0"}
	require.Equal(t, []Port{{Number: 1, State: "ACTIVE", Physical: "LinkUp", Link: "Ethernet", Rate: "100 Gb/sec (4X EDR)", Interface: "eth0",
		MTU: 9000, GIDs: []GID{local, {Index: 1, Address: routed.Address, Type: "IB/RoCE v1", Interface: "eth0"}, routed}}}, a.Ports)
	require.Equal(t, []GID{routed, local}, a.Ports[0].Reach(), "what routers pass on comes first")

	written, err := json.Marshal(r)
	require.NoError(t, err)
	require.Contains(t, string(written), `"address":"10.9.0.1"`)
}

func TestWhatTheKernelPlaysIsSaid(t *testing.T) {
	r := Probe(host(good.with(tree{mlx + "parent": "eth0"})))
	require.True(t, r.Ready)
	require.True(t, r.Adapters[0].Software)
}

// Each host lacks something, and is told what to do about it.
func TestProblems(t *testing.T) {
	infiniband := good.with(tree{port + "link_layer": "InfiniBand"})
	denied := host(good)
	denied.Open = func(device string) error { return fmt.Errorf("open %s: %w", device, fs.ErrPermission) }
	limited := host(good)
	limited.Lock = Locked{Bytes: 8 << 20}
	unbuilt := host(good)
	unbuilt.Built = false
	other := host(good)
	other.OS = "darwin"
	for _, c := range []struct {
		name       string
		host       Host
		what, mend string
	}{
		{"another program", unbuilt, "built without RDMA", "make build-rdma"},
		{"another system", other, "darwin", "RDMA needs Linux"},
		{"nothing at all", host(userland.without("sys/class").without("sys/module")), "ib_core", "rdma link add rxe0"},
		{"no driver", host(userland.without("sys/class/infiniband_verbs")), "eth0 can do RDMA", "modprobe mlx5_ib"},
		{"no adapter", host(userland.without("sys/class")), "no adapter", "modprobe rdma_rxe"},
		{"iWARP", host(good.with(tree{mlx + "node_type": "4: RNIC"})), "iWARP", "RoCE or InfiniBand"},
		{"another kind", host(good.with(tree{mlx + "node_type": "6: usNIC UDP"})), "usNIC UDP", "RoCE or InfiniBand"},
		{"not for programs", host(good.without("sys/class/infiniband_verbs")), "cannot be used by programs", "modprobe ib_uverbs"},
		{"not allowed", denied, "permission denied", "DeviceAllow=/dev/infiniband/uverbs0 rw"},
		{"no cable", host(good.with(tree{port + "state": "1: DOWN", port + "phys_state": "3: Disabled"})), "DOWN (Disabled)", "ip link set eth0 up"},
		{"no address", host(good.with(tree{port + "gids/0": none, port + "gids/2": none})), "no RoCE v2 address", "dev eth0"},
		{"no subnet manager", host(infiniband.with(tree{port + "state": "2: INIT"})), "is INIT: no subnet manager", "opensm"},
		{"no address, InfiniBand", host(infiniband.with(tree{port + "gids/1": none})), "has no address", "subnet manager"},
		{"no library", host(good.without("etc/ld.so.cache").without("lib")), "libibverbs.so.1 is not installed", "ibverbs-providers"},
		{"no drivers of it", host(good.without("etc/libibverbs.d")), "no drivers", "ibverbs-providers"},
		{"locked memory", limited, "may lock 8388608 bytes of memory, and 268435456", "LimitMEMLOCK=infinity"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Probe(c.host)
			require.False(t, r.Ready)
			require.Len(t, r.Problems, 1)
			require.Contains(t, r.Problems[0].What, c.what)
			require.Contains(t, r.Problems[0].Mend, c.mend)
		})
	}
}

// A second adapter that is not in use is nobody's problem.
func TestOneThatWorksIsEnough(t *testing.T) {
	r := Probe(host(good.with(tree{"sys/class/infiniband/irdma0/node_type": "4: RNIC", "sys/class/infiniband/irdma0/ports/1/state": "1: DOWN"})))
	require.Len(t, r.Adapters, 2)
	require.True(t, r.Ready)
}

func TestALibraryWithoutACache(t *testing.T) {
	require.Equal(t, "/lib/x86_64-linux-gnu/libibverbs.so.1", Probe(host(good.without("etc/ld.so.cache"))).Library)
}

// Whatever the files say, and whichever are missing, there is an answer, and ready means that nothing has to change.
func TestAnyFiles(t *testing.T) {
	says := []string{"", "4: ACTIVE", "1: CA", "x", v4, none, "RoCE v2", "\x00", "-1: ", "InfiniBand"}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		files := tree{}
		for name, was := range good {
			switch random.IntN(4) {
			case 0:
			case 1:
				files[name] = says[random.IntN(len(says))]
			default:
				files[name] = was
			}
		}
		r := Probe(host(files))
		require.Equal(t, r.Ready, len(r.Problems) == 0, "seed %d", seed)
		for _, p := range r.Problems {
			require.NotEmpty(t, p.What)
			require.NotEmpty(t, p.Mend)
		}
	}
}

package rdma

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/internal/guest"
	"github.com/grafnode/grafnode/internal/proc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds a machine's life. Nothing is judged by it: on a machine of its own one lives for a minute.
const patience = 15 * time.Minute

// modules are the adapter's, for which the kernel needs crc32_generic and does not say so, and what tc drops packets with.
var modules = []string{"crc32_generic", "rdma_rxe", "ib_uverbs", "sch_ingress", "cls_u32", "act_gact"}

// driversDir is what the machines have as libibverbs' list of drivers, in the shared directory: each process loads all that are listed, and adapters of
// other makers have seventeen.
const driversDir = "drivers"

// machines is where machines are booted, with one shared directory.
type machines struct {
	t      *testing.T
	ctx    context.Context
	l      *proc.Launcher
	kernel guest.Kernel
	dir    string

	mu     sync.Mutex
	booted []*guest.Machine
}

// newMachines returns where, or skips the test where none can be.
func newMachines(t *testing.T) *machines {
	t.Helper()
	if os.Getenv("GRAFNODE_CI") == "" {
		t.Skip("boots emulated machines: set GRAFNODE_CI=1, as `make test-rdma` does")
	}
	for path, of := range map[string]string{"/usr/include/infiniband/verbs.h": "libibverbs-dev", "/etc/libibverbs.d/rxe.driver": "ibverbs-providers"} {
		if _, err := os.Stat(path); err != nil {
			t.Skipf("no tests over RDMA: %v: apt-get install %s", err, of)
		}
	}
	for _, tool := range []string{"gcc", "rdma", "ip", "tc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no tests over RDMA: %v", err)
		}
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("the test's patience ended"))
	t.Cleanup(cancel)
	kernel, err := guest.Fetch(ctx, modules...)
	if errors.Is(err, guest.ErrUnavailable) {
		t.Skipf("no tests over RDMA: %v", err)
	}
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "guest-") // not t.TempDir: names of sockets are short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	drivers := filepath.Join(dir, driversDir)
	require.NoError(t, os.Mkdir(drivers, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(drivers, "rxe.driver"), []byte("driver rxe\n"), 0o600))
	l := proc.NewLauncher()
	t.Cleanup(l.Close)
	return &machines{t: t, ctx: ctx, l: l, kernel: kernel, dir: dir}
}

const module = "github.com/grafnode/grafnode/"

// compile builds a package's tests for the machines, and returns where they find them.
func (b *machines) compile(pkg string) string {
	b.t.Helper()
	name := strings.ReplaceAll(pkg, "/", "-") + ".test"
	require.NoError(b.t, b.goTool(name, "test", "-c", "-tags=rdma,crashsteps", pkg))
	return filepath.Join(guest.WorkDir, name)
}

// build builds programs for the machines, which find each by its name, beside what else is done. It returns what waits for them.
func (b *machines) build(pkgs ...string) (built func() error) {
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		for _, pkg := range pkgs {
			err = errors.Join(err, b.goTool(filepath.Base(pkg), "build", "-tags=rdma", pkg))
		}
	}()
	built = func() error {
		<-done
		return err
	}
	b.t.Cleanup(func() { _ = built() }) // the directory goes after it
	return built
}

// goTool runs a command of it that makes a program, without what only debuggers read: that takes longest.
func (b *machines) goTool(program, verb string, args ...string) error {
	pkg := args[len(args)-1]
	args = append([]string{verb, "-ldflags=-s -w", "-o", filepath.Join(b.dir, program)}, args[:len(args)-1]...)
	cmd := exec.CommandContext(b.ctx, "go", append(args, module+pkg)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s %s: %w: %s", verb, pkg, err, out)
	}
	return nil
}

// network is the cable's, address the n-th machine's in it.
const network = "10.9.0.0/24"

func address(n int) string { return fmt.Sprintf("10.9.0.%d", n) }

// tests is a run of a compiled package's tests, as a command of the machine's.
func tests(path string, args ...string) string {
	args = slices.Concat([]string{path, "-test.v", "-test.count=1", "-test.timeout=14m"}, args)
	return "'" + strings.Join(args, "' '") + "'"
}

// boot starts the n-th machine, as start does.
func (b *machines) boot(n int, on map[string]func() error, env []string, commands ...string) *guest.Machine {
	b.t.Helper()
	m, err := b.start(n, on, env, commands...)
	require.NoError(b.t, err)
	return m
}

// start starts the n-th machine, which has an adapter over its card and runs the commands, one after the other while they end well. When its
// console says a line that is in on, that is done.
func (b *machines) start(n int, on map[string]func() error, env []string, commands ...string) (*guest.Machine, error) {
	began := time.Now()
	var m atomic.Pointer[guest.Machine]
	booted, err := guest.Boot(b.ctx, b.l, guest.Config{
		Kernel: b.kernel, Number: n, Dir: b.dir,
		Says: func(line string) error {
			var busy time.Duration
			if m := m.Load(); m != nil {
				busy = m.CPU()
			}
			b.t.Logf("%d, %2.0f s, %2.0f busy: %s", n, time.Since(began).Seconds(), busy.Seconds(), line)
			if do := on[line]; do != nil {
				return do()
			}
			return nil
		},
		Job: guest.Job{
			Setup: []string{
				"mount --bind " + guest.WorkDir + "/" + driversDir + " /etc/libibverbs.d",
				"ip link set lo up",
				"ip addr add " + address(n) + "/24 dev eth0",
				"ip link set eth0 up",
				"rdma link add rxe0 type rxe netdev eth0",
			},
			Path: "/bin/sh", Args: []string{"-c", strings.Join(commands, " && ")},
			Env: append([]string{"GRAFNODE_RDMA=1", "GRAFNODE_RDMA_CARD=eth0", "GOGC=400", "GRAFNODE_PATIENCE=" + cmp.Or(os.Getenv("GRAFNODE_PATIENCE"), "5m")}, env...),
		},
	})
	if err != nil {
		return nil, err
	}
	m.Store(booted)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.booted = append(b.booted, booted)
	return booted, nil
}

// tell logs how much processor time the machines have taken, which depends less than the time on what else the host does.
func (b *machines) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	var busy time.Duration
	for _, m := range b.booted {
		busy += m.CPU()
	}
	b.t.Logf("%d machines were busy for %.0f s", len(b.booted), busy.Seconds())
}

// self returns where the machines find this program.
func (b *machines) self() string {
	b.t.Helper()
	own, err := os.ReadFile("/proc/self/exe")
	require.NoError(b.t, err)
	const name = "self.test"
	require.NoError(b.t, os.WriteFile(filepath.Join(b.dir, name), own, 0o700))
	return filepath.Join(guest.WorkDir, name)
}

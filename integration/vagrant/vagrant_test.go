package vagrant

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/engine"
	"github.com/grafnode/grafnode/internal/proc"
)

const (
	repositoryRoot = "../.."
	mirror         = "http://deb.debian.org/debian"
	base           = "grafnode-test-base"
)

// machines are the Vagrantfile's.
type machines struct {
	t      *testing.T
	engine *engine.Engine // nil: the provider is another
	env    []string
}

func TestTheDemoOnMachines(t *testing.T) {
	if os.Getenv("GRAFNODE_VAGRANT") == "" {
		t.Skip("takes minutes, and a hypervisor or an engine: `make vagrant-test`")
	}
	m := &machines{t: t, env: []string{"VAGRANT_CHECKPOINT_DISABLE=1", "VAGRANT_DOTFILE_PATH=" + t.TempDir()}}
	if _, err := exec.LookPath("vagrant"); err != nil {
		t.Skip(err)
	}
	if os.Getenv("VAGRANT_DEFAULT_PROVIDER") == "docker" {
		m.findEngine()
	}
	m.run("make", "deb")
	t.Cleanup(func() { m.run("vagrant", "destroy", "--force") })
	m.run("vagrant", "up")
	m.run("vagrant", "ssh", "node1", "--command", "sudo grafnode operator health --wait 2m")
	m.run("vagrant/demo.sh")
}

// run runs a command that must work, where the engine is, and shows what it says.
func (m *machines) run(name string, args ...string) {
	m.t.Helper()
	ctx := context.WithoutCancel(m.t.Context()) // machines are taken down after the test; go test bounds all
	c := exec.CommandContext(ctx, name, args...)
	if m.engine != nil {
		c = m.engine.Command(ctx, name, args...)
	}
	if c.Env == nil {
		c.Env = os.Environ()
	}
	c.Dir, c.Env = repositoryRoot, append(c.Env, m.env...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	require.NoError(m.t, c.Run(), "%s %s", name, args)
}

func (m *machines) findEngine() {
	dir, err := os.MkdirTemp("", "gn") // not t.TempDir: its paths are too long for a socket
	require.NoError(m.t, err)
	m.t.Cleanup(func() { require.NoError(m.t, os.RemoveAll(dir)) })
	l := proc.NewLauncher()
	m.t.Cleanup(l.Close)
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	m.engine, err = engine.Find(ctx, l, dir)
	if errors.Is(err, engine.ErrUnavailable) {
		m.t.Skip(err)
	}
	require.NoError(m.t, err)
	m.t.Cleanup(func() { require.NoError(m.t, m.engine.Close()) })
	if m.engine.Own() {
		m.giveDebian()
	}
}

// giveDebian gives an engine that reaches no registry an image of Debian which needs none of the packages that the Dockerfile adds.
func (m *machines) giveDebian() {
	const script = `[ -d "$1" ] || { debootstrap --variant=minbase --include=dbus,iproute2,openssh-server,sudo,systemd,systemd-sysv trixie "$1.new" "$2" && mv "$1.new" "$1"; }
tar -C "$1" -c . | docker import - "$3"`
	cache, err := os.UserCacheDir()
	require.NoError(m.t, err)
	require.NoError(m.t, os.MkdirAll(filepath.Join(cache, "grafnode"), 0o755))
	tree := filepath.Join(cache, "grafnode", "trixie-vagrant")
	if _, err := os.Stat(tree); err != nil {
		if _, err := exec.LookPath("debootstrap"); err != nil {
			m.t.Skip(err)
		}
	}
	m.run("sh", "-euc", script, "sh", tree, mirror, base)
	m.env = append(m.env, "GRAFNODE_BASE="+base)
	if os.Getenv("GRAFNODE_CREATE_ARGS") == "" {
		m.env = append(m.env, "GRAFNODE_CREATE_ARGS="+unprivileged())
	}
}

// unprivileged are arguments under which a systemd runs in a container where root itself may not do all that --privileged would give.
func unprivileged() string {
	args := "--cap-add=SYS_ADMIN --security-opt=seccomp=unconfined --security-opt=systempaths=unconfined --tmpfs=/run"
	const second = "/sys/fs/cgroup/unified" // of a system that has both versions of cgroups: systemd takes the second only
	if _, err := os.Stat(second); err == nil {
		return args + " --volume=" + second + ":/sys/fs/cgroup"
	}
	return args + " --volume=/sys/fs/cgroup:/sys/fs/cgroup --cgroupns=host"
}

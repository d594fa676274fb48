package hosts

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/hosts"
	"github.com/grafnode/grafnode/internal/proc"
)

const (
	patience = 3 * time.Minute
	suite    = "trixie"
	packages = "systemd,systemd-sysv,dbus,iproute2"
	mirror   = "http://deb.debian.org/debian"
)

// shared is the directory of all machines, and of the test.
const shared = "/srv/shared"

// tree returns the file system that all machines begin with, or skips the test where it cannot be made.
func tree(t *testing.T) string {
	t.Helper()
	if os.Getenv("GRAFNODE_CI") == "" {
		t.Skip("takes long: set GRAFNODE_CI=1, as `make test-hosts` does")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, tool := range []string{"debootstrap", "systemd-nspawn", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	path := filepath.Join(cache, "grafnode", fmt.Sprintf("%s-%.4x", suite, sha256.Sum256([]byte(packages))))
	if _, err := os.Stat(path); err != nil {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		half := path + ".new"
		require.NoError(t, os.RemoveAll(half))
		out, err := exec.Command("debootstrap", "--variant=minbase", "--include="+packages, suite, half, mirror).CombinedOutput()
		if err != nil {
			t.Skipf("debootstrap: %v: %s", err, last(out))
		}
		require.NoError(t, os.Rename(half, path))
	}
	if out, err := exec.Command("systemd-nspawn", "-q", "--register=no", "--keep-unit", "--private-network", "--volatile=yes",
		"-D", path, "/usr/bin/true").CombinedOutput(); err != nil {
		t.Skipf("systemd-nspawn cannot run here: %v: %s", err, last(out))
	}
	return path
}

func last(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// machine is one of them: its disk outlives it.
type machine struct {
	t      *testing.T
	l      *proc.Launcher
	w      *hosts.Network
	number int
	name   string
	root   string
	shared string
	runs   *proc.Process // systemd-nspawn
	init   string        // process number of its systemd
}

func newMachine(t *testing.T, l *proc.Launcher, w *hosts.Network, number int, tree, shared string) *machine {
	m := &machine{t: t, l: l, w: w, number: number, name: fmt.Sprint("node-", number+1), shared: shared}
	disk := t.TempDir()
	m.root = filepath.Join(disk, "root")
	for _, dir := range []string{"root", "upper", "work"} {
		require.NoError(t, os.Mkdir(filepath.Join(disk, dir), 0o755))
	}
	require.NoError(t, syscall.Mount("overlay", m.root, "overlay", 0,
		fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", tree, disk, disk)))
	t.Cleanup(func() { m.tail(); m.off(); require.NoError(t, syscall.Unmount(m.root, 0)) })
	require.NoError(t, os.WriteFile(filepath.Join(m.root, "etc/hostname"), []byte(m.name+"\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(m.root, "etc/machine-id"), nil, 0o444)) // it makes its own
	m.on()
	return m
}

// on switches the machine on, and waits until its systemd has started all that it has to start.
func (m *machine) on() {
	m.t.Helper()
	var err error
	m.runs, err = m.l.Start(proc.Spec{Name: m.name, Path: "/usr/bin/systemd-nspawn", Log: filepath.Join(m.shared, m.name+".console"), Args: []string{
		"--quiet", "--register=no", "--keep-unit", "--directory=" + m.root, "--machine=" + m.name, "--bind=" + m.shared + ":" + shared,
		"--network-namespace-path=" + m.w.Namespace(m.number), "--console=pipe", "--boot",
	}})
	require.NoError(m.t, err)
	m.eventually("is up", func() bool {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", m.runs.PID()))
		if err != nil || len(strings.Fields(string(children))) == 0 {
			return false
		}
		m.init = strings.Fields(string(children))[0]
		out, _ := m.try("systemctl is-system-running")
		return strings.TrimSpace(out) == "running"
	})
}

// off pulls the machine's plug.
func (m *machine) off() {
	if m.init != "" {
		_ = exec.Command("kill", "-KILL", m.init).Run() // it may be off
		<-m.runs.Done()
		m.init = ""
	}
}

// tail shows what a failed test's machine has to say.
func (m *machine) tail() {
	if m.t.Failed() && m.init != "" {
		out, _ := exec.Command("nsenter", "--target", m.init, "--all", "journalctl", "--no-pager", "-n", "40", "-u", "grafnode", "-u", "accesslog@*").CombinedOutput()
		m.t.Logf("--- %s ---\n%s", m.name, out)
	}
}

// try runs a script on the machine as root, in its shared directory.
func (m *machine) try(script string) (string, error) {
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", "--target", m.init, "--all", "/bin/sh", "-euc", "cd "+shared+"; "+script)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// run is try for what must work.
func (m *machine) run(script string) string {
	m.t.Helper()
	out, err := m.try(script)
	require.NoError(m.t, err, "%s: %s\n%s", m.name, script, out)
	return out
}

func (m *machine) eventually(what string, is func() bool) {
	m.t.Helper()
	eventually(m.t, m.name+" "+what, is)
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(100 * time.Millisecond) {
		require.Less(t, time.Since(began), patience, "in vain: %s", what)
	}
}

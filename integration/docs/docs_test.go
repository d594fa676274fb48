package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/manual"
)

const root = "../.."

// binaries is the directory of what a reader has installed.
func binaries(t *testing.T) string {
	dir := t.TempDir()
	for _, pkg := range []string{"cmd/grafnode", "examples/accesslog/cmd/accesslog"} {
		build := exec.Command("go", "build", "-o", dir, "./"+pkg)
		build.Dir, build.Env = root, environment()
		out, err := build.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return dir
}

// environment is such that a copy of the sources need not be compiled again.
func environment(more ...string) []string {
	return append(append(os.Environ(), "GOFLAGS=-trimpath", "CGO_ENABLED=0"), more...)
}

func TestDocumentsAreFollowed(t *testing.T) {
	if os.Getenv("GRAFNODE_CI") == "" {
		t.Skip("takes a minute: set GRAFNODE_CI=1, as `make ci` does")
	}
	if os.Geteuid() != 0 {
		t.Skip("a machine as good as fresh needs root")
	}
	if out, err := exec.Command("unshare", isolation[1:]...).CombinedOutput(); err != nil {
		t.Skipf("no machine as good as fresh can be made here: %v: %s", err, out)
	}
	paths, err := manual.Documents(root)
	require.NoError(t, err)
	bin := binaries(t)
	for _, path := range paths {
		name, err := filepath.Rel(root, path)
		require.NoError(t, err)
		blocks, err := manual.Read(path)
		require.NoError(t, err)
		script, err := write(blocks, given[name])
		require.NoError(t, err)
		if script == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			follow(t, bin, script)
		})
	}
}

// isolation makes a process that has everything for itself, and takes all that it has started with it.
var isolation = []string{"unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "true"}

func follow(t *testing.T, bin, script string) {
	dir := t.TempDir()
	clone := exec.Command("sh", "-euc", `cd "$1"; mkdir "$3/bin" "$3/logs" "$3/sources"; ln "$2"/* "$3/bin"
git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -x -C "$3/sources"`, "sh", root, bin, dir)
	out, err := clone.CombinedOutput()
	require.NoError(t, err, "%s", out)

	args := append(isolation[1:len(isolation)-1:len(isolation)-1], "bash", "-c", freshMachine+script)
	cmd := exec.Command(isolation[0], args...)
	cmd.Dir = dir
	cmd.Env = environment("PATH=/tmp/bin:"+os.Getenv("PATH"), "TMPDIR=/tmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL} // no terminal: who asks is answered by standard input
	out, err = cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// freshMachine gives a shell its own of what it would share with this machine. The directory that it begins in becomes /tmp.
const freshMachine = `set -euo pipefail
mount --bind . /tmp
cd /tmp/sources
for dir in /run /var/lib /var/backups; do mount -t tmpfs fresh "$dir"; done
cp -a /etc /tmp/etc; mount --bind /tmp/etc /etc
cache=$(go env GOCACHE); mount --bind "$cache" "$cache"
mount -o remount,bind,ro / # a document that would change this machine fails
ip link set lo up
ip link add eth0 type bridge
for i in 1 2 3; do ip addr add 10.0.0.$i/24 dev eth0; done
ip link set eth0 up
ip route add default via 10.0.0.254
curl() { command curl --silent --show-error --fail "$@"; }
failed() { echo "$1: $2"; tail -n 20 /tmp/logs/*; exit 1; }
endless=()
set +e
`

// write returns the script by which a document is followed.
func write(blocks []manual.Block, before []step) (string, error) {
	var s strings.Builder
	for _, b := range blocks {
		if path, ok := strings.CutPrefix(b.Text, "# /"); ok && b.Language == "toml" {
			path, _, _ = strings.Cut("/"+path, "\n")
			fmt.Fprintf(&s, "mkdir -p %s; cat >%s <<'SETTINGS'\n%sSETTINGS\n", filepath.Dir(path), path, b.Text)
		}
		if b.Mark != "" {
			continue
		}
		for _, c := range b.Commands() {
			for len(before) > 0 && strings.HasPrefix(c.Text, before[0].before) {
				fmt.Fprintf(&s, "{ %s\n} || failed 'before %s' $?\n", before[0].do, before[0].before)
				before = before[1:]
			}
			writeCommand(&s, c)
		}
	}
	if len(before) > 0 {
		return "", fmt.Errorf("nobody is told to type %q", before[0].before)
	}
	if s.Len() > 0 {
		s.WriteString("for pid in \"${endless[@]}\"; do kill -0 $pid || failed 'what does not end by itself' 'has ended'; done\nexit 0\n")
	}
	return s.String(), nil
}

func writeCommand(s *strings.Builder, c manual.Command) {
	at := fmt.Sprintf("%s:%d", strings.TrimPrefix(c.Path, root+"/"), c.Line)
	fmt.Fprintf(s, "echo '--- %s'\n", at)
	for _, e := range endless {
		if strings.HasPrefix(c.Text, e.before) {
			fmt.Fprintf(s, "{ %s\n} </dev/null >/tmp/logs/%s 2>&1 & endless+=($!)\n", strings.TrimSuffix(c.Text, " &"), filepath.Base(at))
			fmt.Fprintf(s, "{ %s\n} || failed %s $?\n", e.do, at)
			return
		}
	}
	if c.Refused != "" {
		fmt.Fprintf(s, "said=$({ %s\n} 2>&1 </dev/null) && failed %s 'is not refused'\n", c.Text, at)
		fmt.Fprintf(s, "[[ $said = *%s* ]] || failed %s \"$said\"\n", quoted(c.Refused), at)
		return
	}
	answers := "/dev/null"
	if strings.HasPrefix(c.Text, "openssl pkcs12 ") {
		answers = `<(printf 'secret\nsecret\n')`
	}
	fmt.Fprintf(s, "{ %s\n} < %s || failed %s \"exit status $?\"\n", c.Text, answers, at)
}

// quoted returns a text as the shell has to be told it.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

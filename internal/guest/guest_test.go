package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/internal/proc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// unpacked reads an archive as the kernel does: headers of 110 digits, names that end with a zero, all aligned to four bytes.
func unpacked(t *testing.T, b []byte) map[string]string {
	t.Helper()
	files := map[string]string{}
	at := 0
	take := func(n int) string {
		s := string(b[at : at+n])
		at += n
		return s
	}
	for {
		require.Zero(t, at%4)
		header := take(110)
		require.Equal(t, "070701", header[:6])
		var size, name int
		_, err := fmt.Sscanf(header[6+6*8:6+7*8]+" "+header[6+11*8:6+12*8], "%x %x", &size, &name)
		require.NoError(t, err)
		called := strings.TrimSuffix(take(name), "\x00")
		at = (at + 3) / 4 * 4
		if called == "TRAILER!!!" {
			return files
		}
		files[called] = take(size)
		at = (at + 3) / 4 * 4
	}
}

func TestFirstFiles(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "modules"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "modules", "000-a.ko"), []byte("first"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "modules", "001-b.ko"), []byte("second, longer"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "init"), []byte("program"), 0o755))
	job := Job{Setup: []string{"ip link set lo up"}, Path: "/bin/true", Args: []string{"a b"}}
	b, err := firstFiles(Kernel{dir}, filepath.Join(dir, "init"), job)
	require.NoError(t, err)
	files := unpacked(t, b)
	require.Equal(t, "program", files["init"])
	require.Equal(t, "first", files["modules/000-a.ko"])
	require.Equal(t, "second, longer", files["modules/001-b.ko"])
	require.Contains(t, files, "host")
	var read Job
	require.NoError(t, json.Unmarshal([]byte(files["job.json"]), &read))
	require.Equal(t, job, read)
}

func TestModulesThatTheKernelHasNot(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "modules.builtin"), []byte("kernel/crypto/crc32-generic.ko\n"), 0o644))
	order, err := loadOrder(dir, []string{"crc32_generic"})
	require.NoError(t, err, "it stands in the kernel itself")
	require.Empty(t, order)
	_, err = loadOrder(dir, []string{"rdma_rxe"})
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "rdma_rxe")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.ko"), []byte("no module"), 0o644))
	_, err = loadOrder(dir, []string{"bad"})
	require.ErrorContains(t, err, "bad.ko")
}

// A kernel is kept unpacked, whatever stands around it in its image, and as it is where it cannot be unpacked here.
func TestKeepImage(t *testing.T) {
	dir := t.TempDir()
	kept := func(image string) string {
		from, to := filepath.Join(dir, "image"), filepath.Join(dir, "kept")
		require.NoError(t, os.WriteFile(from, []byte(image), 0o600))
		require.NoError(t, keepImage(from, to))
		b, err := os.ReadFile(to)
		require.NoError(t, err)
		return string(b)
	}
	require.Equal(t, "packed otherwise", kept("packed otherwise"))
	damaged := "loader" + string(packed) + "damaged"
	require.Equal(t, damaged, kept(damaged))
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip("no xz here")
	}
	pack := exec.Command("xz", "--stdout")
	pack.Stdin = strings.NewReader("the kernel")
	stream, err := pack.Output()
	require.NoError(t, err)
	require.Equal(t, "the kernel", kept("loader"+string(stream)+"what stands behind it"))
}

// The console says how the program ended, whatever the kernel writes beside it.
func TestConsole(t *testing.T) {
	for says, want := range map[string]int{"guest: exit 0\r\n[ 1.0] reboot\r\n": 0, "x\nguest: exit 2\n": 2, "panic\n": -1, "guest: exit\nguest: exit x\n": -1} {
		m := &Machine{status: -1}
		var heard []string
		require.NoError(t, m.listen(strings.NewReader(says), func(line string) error { heard = append(heard, line); return nil }))
		require.Equal(t, want, m.status, says)
		require.Len(t, heard, strings.Count(says, "\n"))
	}
	angry := errors.New("angry")
	require.ErrorIs(t, (&Machine{}).listen(strings.NewReader("a\nb\n"), func(string) error { return angry }), angry)
}

// A process that ends without a word of its program has failed, whatever its own exit status.
func TestNoWordIsAFailure(t *testing.T) {
	l := proc.NewLauncher()
	defer l.Close()
	m := &Machine{log: filepath.Join(t.TempDir(), "log"), status: -1}
	var err error
	m.p, err = l.Start(proc.Spec{Name: "guest-1", Path: "/bin/sh", Args: []string{"-c", "echo no such kernel"}, Log: m.log,
		Pipe: func(r io.Reader) error { return m.listen(r, nil) }})
	require.NoError(t, err)
	require.ErrorContains(t, m.Wait(t.Context()), "no such kernel")
}

func TestCable(t *testing.T) {
	control := filepath.Join(t.TempDir(), "control")
	l, err := net.Listen("unix", control)
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	heard := make(chan string, 4)
	answers := make(chan string, 4)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintln(conn, `{"QMP": {}}`)
			from := json.NewDecoder(conn)
			var command json.RawMessage
			for from.Decode(&command) == nil {
				heard <- string(command)
				fmt.Fprintln(conn, <-answers)
			}
			_ = conn.Close()
		}
	}()
	m := &Machine{control: control, p: &proc.Process{Name: "guest-1"}}
	answers <- `{"return": {}}`
	answers <- `{"event": "NIC_RX_FILTER_CHANGED"} {"return": {}}`
	require.NoError(t, m.Cable(false))
	require.Equal(t, `{"execute":"qmp_capabilities"}`, <-heard)
	require.JSONEq(t, `{"execute":"set_link","arguments":{"name":"cable","up":false}}`, <-heard)
	answers <- `{"error": {"class": "DeviceNotFound"}}`
	require.ErrorContains(t, m.Cable(true), "DeviceNotFound")
}

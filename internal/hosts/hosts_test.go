package hosts_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/internal/hosts"
	"github.com/grafnode/grafnode/internal/proc"
)

// The test binary is also what runs on the hosts: it listens on an address, or tries to reach one.
const (
	doesEnv    = "GRAFNODE_TEST_HOST_DOES"
	addressEnv = "GRAFNODE_TEST_HOST_ADDRESS"
)

func TestMain(m *testing.M) {
	pipe := os.NewFile(proc.PipeFD, "pipe")
	switch os.Getenv(doesEnv) {
	case "listen":
		if _, err := net.Listen("tcp", os.Getenv(addressEnv)); err == nil {
			_, _ = pipe.WriteString("listening")
			pipe.Close()
			time.Sleep(time.Hour) // not select: a program of Go alone would find itself deadlocked
		}
		os.Exit(1)
	case "dial", "dial in vain":
		patience := time.Minute // a link that is up again carries nothing for a while, and then the first try comes a second later
		if os.Getenv(doesEnv) == "dial in vain" {
			patience = time.Second
		}
		if _, err := net.DialTimeout("tcp", os.Getenv(addressEnv), patience); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// network is two hosts, and what starts processes on them.
type network struct {
	*hosts.Network
	t *testing.T
	l *proc.Launcher
}

func newNetwork(t *testing.T) *network {
	l := proc.NewLauncher()
	t.Cleanup(l.Close)
	w, err := hosts.Join(l, 2)
	if errors.Is(err, hosts.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	return &network{w, t, l}
}

func (w *network) start(host int, does, address string) (p *proc.Process, said <-chan string) {
	c := make(chan string, 1)
	path, args := w.Enter(host, os.Args[0], nil)
	p, err := w.l.Start(proc.Spec{Name: does, Path: path, Args: args, Log: filepath.Join(w.t.TempDir(), "log"),
		Env: []string{doesEnv + "=" + does, addressEnv + "=" + address}, Pipe: func(r io.Reader) error {
			b, err := io.ReadAll(r)
			c <- string(b)
			return err
		}})
	require.NoError(w.t, err)
	return p, c
}

// requireReach has the first host reach an address, or not.
func (w *network) requireReach(address string, reached bool) {
	w.t.Helper()
	does := "dial"
	if !reached {
		does = "dial in vain"
	}
	p, _ := w.start(0, does, address)
	<-p.Done()
	require.Equal(w.t, reached, p.Err() == nil)
}

func TestHostsReachEachOtherUnlessCut(t *testing.T) {
	w := newNetwork(t)
	address := net.JoinHostPort(w.Address(1), "7000")
	_, said := w.start(1, "listen", address)
	require.Equal(t, "listening", <-said)
	w.requireReach(address, true)

	require.NoError(t, w.Cut(1))
	w.requireReach(address, false)
	require.NoError(t, w.Heal(1))
	w.requireReach(address, true)

	require.NoError(t, w.Drop(0, 1))
	w.requireReach(address, false)
	require.NoError(t, w.Undrop(0, 1))
	w.requireReach(address, true)
	require.ErrorContains(t, w.Run(0, "ip nonsense"), "ip nonsense: ")
}

// Package testport finds ports for nodes that a test starts. Only tests import it.
package testport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/grafnode/grafnode/internal/filelock"
)

// Pair returns a port of 127.0.0.1 that is free together with the next, for TCP and UDP, and the caller's until its test ends:
// no other test on this host is given it, whatever its process, so a node that a test stops finds its port free again. It lies
// below where the system takes ports for outgoing connections from.
func Pair(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 20000 + 2*rand.IntN(6000)
		if reserve(t, port) && free(port) && free(port+1) {
			return port
		}
	}
	t.Fatal("testport: no free ports")
	return 0
}

// reserve locks a file of the port's name until the test ends. The files stay: to remove one that another has open would
// give two of them the port.
func reserve(t testing.TB, port int) bool {
	t.Helper()
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("grafnode-testport-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatalf("testport: %v", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatalf("testport: %v", err)
	}
	if filelock.Try(f) != nil {
		f.Close()
		return false
	}
	t.Cleanup(func() { f.Close() })
	return true
}

func free(port int) bool {
	address := "127.0.0.1:" + strconv.Itoa(port)
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	return u.Close() == nil
}

// Package testport finds ports for nodes that a test starts. Only tests import it.
package testport

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Pair returns a port of 127.0.0.1 that is free together with the next, for TCP and UDP. It lies below where the system takes
// ports for outgoing connections from, and is drawn at random, so that tests beside each other seldom want the same.
func Pair(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 20000 + 2*rand.IntN(6000)
		if free(port) && free(port+1) {
			return port
		}
	}
	t.Fatal("testport: no free ports")
	return 0
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

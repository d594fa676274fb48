package demo

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/grafnode/grafnode/internal/proc"
)

// node is a node of the demo's cluster.
type node struct {
	name    string // "node-1", and the process's name
	address string // host:port
	socket  string
}

// planNodes gives n nodes their names, addresses and sockets: 127.0.0.1, .2 and so on where the system has them.
func planNodes(n int, dir string) ([]node, error) {
	nodes := make([]node, n)
	for i := range nodes {
		address, err := freeAddress(fmt.Sprintf("127.0.0.%d", i+1))
		if err != nil {
			address, err = freeAddress("127.0.0.1") // not every system has the whole of 127/8
		}
		if err != nil {
			return nil, err
		}
		name := "node-" + strconv.Itoa(i+1)
		nodes[i] = node{name: name, address: address, socket: filepath.Join(dir, name+".sock")}
	}
	return nodes, nil
}

// Ports are taken from below the range that systems hand out for outgoing connections, so that nobody gets a killed
// node's port before it is back.
const (
	portMin   = 20_000
	portMax   = 32_000
	portTries = 100
)

// freeAddress finds a port of host that is free, and the next one with it: for TCP, and UDP for gossip.
func freeAddress(host string) (string, error) {
	var last error
	for range portTries {
		port := portMin + rand.N(portMax-portMin)
		if last = errors.Join(free(host, port), free(host, port+1)); last == nil {
			return net.JoinHostPort(host, strconv.Itoa(port)), nil
		}
	}
	return "", fmt.Errorf("no free port on %s: %w", host, last)
}

func free(host string, port int) error {
	address := net.JoinHostPort(host, strconv.Itoa(port))
	stream, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer stream.Close()
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	return packets.Close()
}

// startNodes runs all nodes.
func (l *lab) startNodes(nodes []node) {
	addresses := make([]string, len(nodes))
	for i, n := range nodes {
		addresses[i] = n.address
	}
	for i, n := range nodes {
		l.keep(proc.Spec{Name: n.name, Args: []string{
			"agent", "--name", n.name, "--zone", "zone-" + strconv.Itoa(i+1), "--bind", n.address, "--socket", n.socket,
			"--data-dir", filepath.Join(l.dir, n.name), "--join", strings.Join(addresses, ","),
			"--bootstrap-expect", strconv.Itoa(len(nodes)), "--raft-heartbeat", raftHeartbeat.String(),
		}}, nodeRestartAfter)
	}
}

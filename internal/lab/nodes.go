package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/grafnode/grafnode/internal/identity"
)

// Node is a node of the cluster.
type Node struct {
	Name    string // "node-1", and the process's name
	Zone    string // of its own
	Address string // host:port, for the other nodes
	Socket  string // path
	Data    string // directory

	// What Secure made.
	tls        identity.Files
	gossipKeys string
}

// Plan gives n nodes their names, addresses, sockets and directories, the latter two in dir: 127.0.0.1, .2 and so on where the
// system has them.
func Plan(n int, dir string) ([]Node, error) {
	addresses := make([]string, n)
	for i := range addresses {
		address, err := freeAddress(fmt.Sprintf("127.0.0.%d", i+1))
		if err != nil {
			address, err = freeAddress("127.0.0.1") // not every system has the whole of 127/8
		}
		if err != nil {
			return nil, err
		}
		addresses[i] = address
	}
	return PlanAt(addresses, dir), nil
}

// PlanAt is Plan for nodes whose addresses are known.
func PlanAt(addresses []string, dir string) []Node {
	nodes := make([]Node, len(addresses))
	for i, address := range addresses {
		number := strconv.Itoa(i + 1)
		name := "node-" + number
		nodes[i] = Node{Name: name, Zone: "zone-" + number, Address: address, Socket: filepath.Join(dir, name+".sock"),
			Data: filepath.Join(dir, name)}
	}
	return nodes
}

// Agent returns the arguments of the agent of one of the nodes, which found the cluster together.
func Agent(n Node, nodes []Node, further ...string) []string {
	addresses := make([]string, len(nodes))
	for i, n := range nodes {
		addresses[i] = n.Address
	}
	return slices.Concat([]string{
		"agent", "--name", n.Name, "--zone", n.Zone, "--bind", n.Address, "--socket", n.Socket, "--data-dir", n.Data,
		"--join", strings.Join(addresses, ","), "--bootstrap-expect", strconv.Itoa(len(nodes)),
	}, n.SecureArgs(), further)
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

// tailBytes is how much of a log is shown when a process is the reason to give up.
const tailBytes = 600

// Tail returns the end of a log, in one line.
func Tail(log string) string {
	b, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	if len(b) > tailBytes {
		b = b[len(b)-tailBytes:]
	}
	return strings.Join(strings.Split(strings.TrimSpace(string(b)), "\n"), " | ")
}

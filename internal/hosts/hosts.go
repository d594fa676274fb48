package hosts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/grafnode/grafnode/internal/proc"
)

// ErrUnavailable says that this machine, or this user, cannot make hosts, and why.
var ErrUnavailable = errors.New("no hosts can be made here")

// Network is hosts on a switch. Methods may be called at any time, from anywhere.
type Network struct {
	hub   int // process that keeps the switch's namespace; zero: this process's own
	hosts []int
}

// subnet is every network's: no two see each other.
const subnet = "10.77.0."

// Join makes n hosts. Their keepers are started by l, and end with it.
func Join(l *proc.Launcher, n int) (*Network, error) { return join(l, n, true) }

// JoinHere is Join with the switch in this process's own network, which may then be given an address there.
func JoinHere(l *proc.Launcher, n int) (*Network, error) { return join(l, n, false) }

func join(l *proc.Launcher, n int, apart bool) (*Network, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: network namespaces need root", ErrUnavailable)
	}
	for _, tool := range []string{"ip", "nsenter", "sleep"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	w := &Network{hub: os.Getpid()}
	var err error
	if apart {
		if w.hub, err = keeper(l, "hub"); err != nil {
			return nil, err
		}
	}
	commands := []string{"ip link add br0 type bridge forward_delay 0 stp_state 0", "ip link set br0 up"}
	for i := range n {
		host, err := keeper(l, "host-"+strconv.Itoa(i+1))
		if err != nil {
			return nil, err
		}
		w.hosts = append(w.hosts, host)
		commands = append(commands, fmt.Sprintf("ip link add p%d type veth peer name eth0 netns %d", i, host),
			fmt.Sprintf("ip link set p%d master br0 up", i))
	}
	for _, c := range commands {
		if err := w.RunHub(c); err != nil {
			return nil, err
		}
	}
	for i := range n {
		for _, c := range []string{"ip link set lo up", fmt.Sprintf("ip addr add %s/24 dev eth0", w.Address(i)), "ip link set eth0 up"} {
			if err := w.Run(i, c); err != nil {
				return nil, err
			}
		}
	}
	return w, nil
}

// keeper starts the process that keeps a new namespace.
func keeper(l *proc.Launcher, name string) (pid int, err error) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		return 0, err
	}
	p, err := l.Start(proc.Spec{Name: name, Path: sleep, Args: []string{"infinity"}, Log: os.DevNull, Network: true})
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err != nil {
		return 0, err
	}
	return p.PID(), nil
}

// Address returns a host's address.
func (w *Network) Address(host int) string { return subnet + strconv.Itoa(host+1) }

// HubAddress returns an address for the switch.
func (w *Network) HubAddress() string { return subnet + "254" }

func netOf(pid int) string { return "--net=" + filepath.Join("/proc", strconv.Itoa(pid), "ns", "net") }

// Namespace returns the path of a host's network.
func (w *Network) Namespace(host int) string {
	return filepath.Join("/proc", strconv.Itoa(w.hosts[host]), "ns", "net")
}

// Enter returns a program and its arguments as they have to be started to run on a host.
func (w *Network) Enter(host int, path string, args []string) (string, []string) {
	nsenter, err := exec.LookPath("nsenter")
	if err != nil {
		nsenter = "nsenter" // it was there
	}
	return nsenter, append([]string{netOf(w.hosts[host]), path}, args...)
}

// Run runs a command on a host, RunHub on the switch.
func (w *Network) Run(host int, command string) error { return run(w.hosts[host], command) }

// RunHub is Run on the switch.
func (w *Network) RunHub(command string) error { return run(w.hub, command) }

func run(pid int, command string) error {
	out, err := exec.Command("nsenter", append([]string{netOf(pid)}, strings.Fields(command)...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", command, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Cut pulls a host's cable out: nothing comes from it or to it, and nobody is told. Heal puts it back.
func (w *Network) Cut(host int) error { return w.RunHub(fmt.Sprintf("ip link set p%d down", host)) }

// Heal puts a host's cable back.
func (w *Network) Heal(host int) error { return w.RunHub(fmt.Sprintf("ip link set p%d up", host)) }

// Drop loses all that one host sends to another, which can still send: the sender believes that the other's network card has an
// address that nobody has. Undrop ends it.
func (w *Network) Drop(from, to int) error {
	return w.Run(from, fmt.Sprintf("ip neigh replace %s lladdr 02:00:00:00:00:ff dev eth0 nud permanent", w.Address(to)))
}

// Undrop ends a drop.
func (w *Network) Undrop(from, to int) error {
	return w.Run(from, fmt.Sprintf("ip neigh del %s dev eth0", w.Address(to)))
}

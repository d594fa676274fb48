package adapter

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// trial is how to have an adapter without one.
const trial = "to try without one: modprobe rdma_rxe; rdma link add rxe0 type rxe netdev eth0 (the kernel plays an adapter: right, not fast)"

// problems says what has to change on a host, the first thing first.
func problems(h Host, r Report) []Problem {
	if h.OS != "linux" {
		return []Problem{{"this system is " + h.OS, "RDMA needs Linux"}}
	}
	var all []Problem
	if !slices.ContainsFunc(r.Adapters, Adapter.Usable) {
		for _, a := range r.Adapters {
			all = append(all, adapterProblems(a)...)
		}
		if len(r.Adapters) == 0 {
			all = append(all, noAdapter(h.Files))
		}
	}
	if !h.Built {
		all = append(all, Problem{"this program was built without RDMA", "one that was built with the tag rdma: make build-rdma"})
	}
	if r.Library == "" {
		all = append(all, Problem{library + " is not installed", "apt-get install ibverbs-providers, or what your distribution calls rdma-core"})
	} else if len(r.Drivers) == 0 {
		all = append(all, Problem{library + " has no drivers in /etc/libibverbs.d", "apt-get install ibverbs-providers"})
	}
	if !r.Locked.Unlimited && r.Locked.Bytes < h.Need {
		all = append(all, Problem{
			fmt.Sprintf("this process may lock %d bytes of memory, and %d are to be lent: what an adapter writes must stay where it is", r.Locked.Bytes, h.Need),
			"LimitMEMLOCK=infinity in the node's unit, ulimit -l unlimited in a shell, memlock in a container's ulimits",
		})
	}
	return all
}

// drivers names the module that makes an RDMA adapter of a network interface, by the interface's own driver.
var drivers = map[string]string{
	"mlx5_core": "mlx5_ib", "mlx4_core": "mlx4_ib", "mlx4_en": "mlx4_ib", "bnxt_en": "bnxt_re", "ice": "irdma", "i40e": "irdma", "qede": "qedr",
}

// noAdapter says what to do where there is none: load a driver if there is an interface that has one, else find hardware.
func noAdapter(files fs.FS) Problem {
	for _, name := range names(files, classNetwork) {
		for line := range strings.Lines(text(files, classNetwork, name, "device/uevent")) {
			key, driver, _ := strings.Cut(strings.TrimSpace(line), "=")
			if module := drivers[driver]; key == "DRIVER" && module != "" {
				return Problem{fmt.Sprintf("%s can do RDMA, but its driver for that is not loaded", name), "modprobe " + module}
			}
		}
	}
	if _, err := fs.Stat(files, "sys/module/ib_core"); err != nil {
		return Problem{"the kernel's part for RDMA (ib_core) is not loaded, and no network interface is known to have an adapter behind it",
			"an adapter with RDMA, and its driver; " + trial}
	}
	return Problem{"there is no adapter", "an adapter with RDMA, and its driver; " + trial}
}

// adapterProblems says why a cannot be used.
func adapterProblems(a Adapter) (all []Problem) {
	switch {
	case a.Type == typeIWARP:
		return []Problem{{a.Name + " speaks iWARP, which does not tell the other host that something was written", "an adapter with RoCE or InfiniBand"}}
	case a.Type != typeAdapter:
		return []Problem{{fmt.Sprintf("%s is of another kind: %q", a.Name, a.Type), "an adapter with RoCE or InfiniBand"}}
	case a.Device == "":
		all = append(all, Problem{a.Name + " cannot be used by programs", "modprobe ib_uverbs"})
	case a.Denied != "":
		all = append(all, Problem{fmt.Sprintf("%s cannot be opened: %s", a.Name, a.Denied), fmt.Sprintf(
			"give the node's user the right to read and write %s; in a container pass that device, in a unit allow it: DeviceAllow=%[1]s rw, PrivateDevices=no", a.Device)})
	}
	if slices.ContainsFunc(a.Ports, func(p Port) bool { return len(p.Reach()) > 0 }) {
		return all
	}
	for _, p := range a.Ports {
		all = append(all, portProblem(a, p))
	}
	return all
}

func portProblem(a Adapter, p Port) Problem {
	name := fmt.Sprintf("port %d of %s", p.Number, a.Name)
	switch {
	case p.State == "ACTIVE" && p.Link == "InfiniBand":
		return Problem{name + " has no address", "a subnet manager that gives it one"}
	case p.State == "ACTIVE":
		return Problem{name + " has no RoCE v2 address", "ip addr add ADDRESS/BITS dev " + orInterface(p)}
	case p.Link == "InfiniBand" && p.Physical == "LinkUp":
		return Problem{fmt.Sprintf("%s is %s: no subnet manager has set it up", name, p.State), "a subnet manager on that network, such as opensm"}
	default:
		return Problem{fmt.Sprintf("%s is %s (%s)", name, p.State, p.Physical), "a cable with something at its other end, and ip link set " + orInterface(p) + " up"}
	}
}

func orInterface(p Port) string {
	if p.Interface == "" {
		return "its network interface"
	}
	return path.Base(p.Interface)
}

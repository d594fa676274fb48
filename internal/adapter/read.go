package adapter

import (
	"bytes"
	"cmp"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Where the kernel shows adapters, and their devices for programs.
const (
	classAdapter = "sys/class/infiniband"
	classDevice  = "sys/class/infiniband_verbs"
	classNetwork = "sys/class/net"
)

// typeAdapter is a channel adapter: InfiniBand, or RoCE, which is its protocol over Ethernet. typeIWARP is another protocol.
const (
	typeAdapter = "InfiniBand"
	typeIWARP   = "iWARP"
)

// Probe reads what h has. What a file does not say is left empty: drivers differ in what they show.
func Probe(h Host) Report {
	r := Report{Adapters: []Adapter{}, Locked: h.Lock}
	if h.OS == "linux" {
		devices := devicesOf(h)
		for _, name := range names(h.Files, classAdapter) {
			r.Adapters = append(r.Adapters, readAdapter(h, name, devices[name]))
		}
		r.Library = findLibrary(h.Files)
		r.Drivers = findDrivers(h.Files)
		r.Modules = findModules(h.Files)
	}
	r.Problems = problems(h, r)
	r.Ready = len(r.Problems) == 0
	return r
}

func readAdapter(h Host, name, device string) Adapter {
	dir := path.Join(classAdapter, name)
	a := Adapter{Name: name, Firmware: text(h.Files, dir, "fw_ver"), Device: device, Type: typeOf(text(h.Files, dir, "node_type"))}
	// Only those that the kernel plays have a file that names the interface beneath.
	parent := text(h.Files, dir, "parent")
	a.Software = parent != ""
	if device != "" {
		if err := h.Open(device); err != nil {
			a.Denied = err.Error()
		}
	}
	for _, number := range names(h.Files, path.Join(dir, "ports")) {
		if n, err := strconv.Atoi(number); err == nil {
			a.Ports = append(a.Ports, readPort(h.Files, path.Join(dir, "ports", number), n, parent))
		}
	}
	slices.SortFunc(a.Ports, func(a, b Port) int { return cmp.Compare(a.Number, b.Number) })
	return a
}

// typeOf translates the file node_type, such as "1: CA".
func typeOf(node string) string {
	switch number, name, _ := strings.Cut(node, ": "); number {
	case "1":
		return typeAdapter
	case "4":
		return typeIWARP
	default:
		return name
	}
}

func readPort(files fs.FS, dir string, number int, parent string) Port {
	p := Port{Number: number, Interface: parent, State: word(text(files, dir, "state")), Physical: word(text(files, dir, "phys_state")),
		Link: text(files, dir, "link_layer"), Rate: text(files, dir, "rate")}
	for _, index := range names(files, path.Join(dir, "gids")) {
		i, err := strconv.Atoi(index)
		if err != nil {
			continue
		}
		address, err := netip.ParseAddr(text(files, dir, "gids", index))
		if err != nil || address.IsUnspecified() {
			continue // an unused place of the table, which may have a thousand
		}
		g := GID{Index: i, Address: address.Unmap(), Type: text(files, dir, "gid_attrs/types", index), Interface: text(files, dir, "gid_attrs/ndevs", index)}
		p.Interface = cmp.Or(p.Interface, g.Interface)
		p.GIDs = append(p.GIDs, g)
	}
	slices.SortFunc(p.GIDs, func(a, b GID) int { return cmp.Compare(a.Index, b.Index) })
	p.MTU, _ = strconv.Atoi(text(files, classNetwork, p.Interface, "mtu")) // zero: there is no such interface
	return p
}

// word takes the number from what the kernel writes as "4: ACTIVE".
func word(s string) string {
	_, after, found := strings.Cut(s, ": ")
	if !found {
		return s
	}
	return after
}

// devicesOf returns the device file of each adapter.
func devicesOf(h Host) map[string]string {
	devices := map[string]string{}
	for _, name := range names(h.Files, classDevice) {
		if of := text(h.Files, classDevice, name, "ibdev"); of != "" {
			devices[of] = "/dev/infiniband/" + name
		}
	}
	return devices
}

// findModules returns the kernel's modules that have to do with RDMA. Those that are built in are there, too.
func findModules(files fs.FS) (found []string) {
	for _, name := range names(files, "sys/module") {
		if strings.HasPrefix(name, "ib_") || strings.HasPrefix(name, "rdma_") || strings.HasSuffix(name, "_ib") || slices.Contains(
			[]string{"bnxt_re", "irdma", "iw_cxgb4", "qedr", "erdma", "siw", "efa"}, name) {
			found = append(found, name)
		}
	}
	return found
}

const library = "libibverbs.so.1"

// findLibrary returns where the loader finds libibverbs, empty if it does not. A loader without a cache looks into the usual places.
func findLibrary(files fs.FS) string {
	if cache, err := fs.ReadFile(files, "etc/ld.so.cache"); err == nil {
		// The cache ends with strings that zeros end: names, and the paths to them.
		for entry := range bytes.SplitSeq(cache, []byte{0}) {
			if p := string(entry); path.IsAbs(p) && path.Base(p) == library {
				return p
			}
		}
	}
	for _, pattern := range []string{"lib", "lib64", "usr/lib", "usr/lib64", "usr/local/lib", "lib/*-linux-gnu*", "usr/lib/*-linux-gnu*"} {
		if found, err := fs.Glob(files, path.Join(pattern, library)); err == nil && len(found) > 0 {
			return "/" + found[0]
		}
	}
	return ""
}

// findDrivers returns the drivers that libibverbs is told to load.
func findDrivers(files fs.FS) (found []string) {
	for _, name := range names(files, "etc/libibverbs.d") {
		if driver, ok := strings.CutSuffix(name, ".driver"); ok {
			found = append(found, driver)
		}
	}
	return found
}

// names lists a directory; none if it is not there.
func names(files fs.FS, dir string) (all []string) {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// text reads a short file; empty if it cannot be read, as with places of a table that are not in use.
func text(files fs.FS, at ...string) string {
	b, err := fs.ReadFile(files, path.Join(at...))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

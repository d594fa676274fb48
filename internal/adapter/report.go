package adapter

import (
	"net/netip"
)

// Report is what a host has for RDMA.
type Report struct {
	Ready    bool      `json:"ready"`              // nothing has to change
	Problems []Problem `json:"problems,omitempty"` // what has to; adapters and ports that are not needed are not among them
	Adapters []Adapter `json:"adapters"`
	Library  string    `json:"library,omitempty"` // where libibverbs is, which speaks to adapters
	Drivers  []string  `json:"drivers,omitempty"` // of adapters, that the library has
	Modules  []string  `json:"modules,omitempty"` // of the kernel, that have to do with RDMA
	Locked   Locked    `json:"locked"`
}

// Problem is one thing that keeps a host from using RDMA.
type Problem struct {
	What string `json:"what"`
	Mend string `json:"mend"`
}

// Adapter is a device that reads and writes memory by itself.
type Adapter struct {
	Name     string `json:"name"`               // as mlx5_0
	Type     string `json:"type"`               // InfiniBand (RoCE included), iWARP or what the kernel calls it
	Firmware string `json:"firmware,omitempty"` // version
	Software bool   `json:"software"`           // the kernel plays it over an ordinary network interface: correct, not fast
	Device   string `json:"device,omitempty"`   // what a program opens to use it; empty: ib_uverbs does not serve it
	Denied   string `json:"denied,omitempty"`   // why this process cannot open that
	Ports    []Port `json:"ports"`
}

// Port is where an adapter meets a network.
type Port struct {
	Number    int    `json:"number"`
	State     string `json:"state"`    // ACTIVE, INIT, ARMED or DOWN
	Physical  string `json:"physical"` // LinkUp, Disabled, Polling...
	Link      string `json:"link"`     // Ethernet or InfiniBand
	Rate      string `json:"rate,omitempty"`
	Interface string `json:"interface,omitempty"` // the network interface that shares the port
	MTU       int    `json:"mtu,omitempty"`       // of that interface, bytes
	WriteMax  uint64 `json:"write_max,omitempty"` // bytes of one write, at most; zero: no file says that, and the adapter was not asked
	GIDs      []GID  `json:"gids,omitempty"`
}

// GID is an address of a port.
type GID struct {
	Index     int        `json:"index"`
	Address   netip.Addr `json:"address"` // an IPv4 address in its own form
	Type      string     `json:"type"`    // IB/RoCE v1 or RoCE v2
	Interface string     `json:"interface,omitempty"`
}

// Locked is how much memory a process may keep from being moved, which memory that an adapter writes must be.
type Locked struct {
	Bytes     uint64 `json:"bytes"`
	Unlimited bool   `json:"unlimited"`
}

// typeRouted is the type of an address of Ethernet that routers pass on, and typeIB of one of InfiniBand.
const (
	typeRouted = "RoCE v2"
	typeIB     = "IB/RoCE v1"
)

// Reach returns the addresses of p at which other hosts reach it, link-local ones last; none while it is down.
func (p Port) Reach() (all []GID) {
	if p.State != "ACTIVE" {
		return nil
	}
	want := typeRouted
	if p.Link == "InfiniBand" {
		want = typeIB
	}
	var local []GID
	for _, g := range p.GIDs {
		switch {
		case g.Type != want:
		case p.Link != "InfiniBand" && g.Address.IsLinkLocalUnicast():
			local = append(local, g)
		default:
			all = append(all, g)
		}
	}
	return append(all, local...)
}

// Usable says that an edge could use a now.
func (a Adapter) Usable() bool {
	if a.Type != typeAdapter || a.Device == "" || a.Denied != "" {
		return false
	}
	for _, p := range a.Ports {
		if len(p.Reach()) > 0 {
			return true
		}
	}
	return false
}

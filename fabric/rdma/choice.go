package rdma

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// Choice says by what edges' records go where both hosts have an adapter: the text of a setting, such as "auto" or
// "auto,orders.parsed=tcp". The zero value is auto for all.
type Choice struct {
	rest  string
	edges map[string]string
}

// The words of a Choice. With rdma instead of auto it is worth a warning in the log that there is no adapter either, here or there.
const (
	Auto = "auto"
	TCP  = "tcp"
	RDMA = "rdma"
)

// ParseChoice reads words separated by commas: one for all edges, and edge=word for those that are to have another. An empty text is auto.
func ParseChoice(text string) (Choice, error) {
	c := Choice{rest: Auto, edges: map[string]string{}}
	for _, part := range strings.Split(text, ",") {
		edge, word, named := strings.Cut(part, "=")
		if !named {
			word = edge
		}
		switch {
		case text == "":
			return c, nil
		case word != Auto && word != TCP && word != RDMA || named && edge == "":
			return Choice{}, fmt.Errorf("%q: want %s, %s or %s, or EDGE= and one of them", part, Auto, TCP, RDMA)
		case named:
			c.edges[edge] = word
		default:
			c.rest = word
		}
	}
	return c, nil
}

// For returns the word for an edge.
func (c Choice) For(edge string) string {
	if word, ok := c.edges[edge]; ok {
		return word
	}
	if c.rest == "" {
		return Auto
	}
	return c.rest
}

// Encrypted returns the choice where hosts speak TLS with each other, in a network that is not Trusted: auto is tcp then, because nothing encrypts what an
// adapter writes. Who says rdma wants that.
func (c Choice) Encrypted() Choice {
	sure := Choice{rest: c.rest, edges: map[string]string{}}
	if c.For("") == Auto {
		sure.rest = TCP
	}
	for edge, word := range c.edges {
		if word == Auto {
			word = TCP
		}
		sure.edges[edge] = word
	}
	return sure
}

// None reports whether no edge is to go by an adapter.
func (c Choice) None() bool {
	for _, word := range c.edges {
		if word != TCP {
			return false
		}
	}
	return c.rest == TCP
}

// Network returns the address of a port and the network that it is in: two ports of one network can reach each other, or so it is
// tried. On Ethernet that is the interface's, on InfiniBand what the subnet's manager has given it.
func Network(p verbs.Port) netip.Prefix {
	at := address(p.GID)
	if i, err := net.InterfaceByName(p.Net); err == nil {
		addresses, _ := i.Addrs() // without them it is as on InfiniBand
		for _, a := range addresses {
			if is, err := netip.ParsePrefix(a.String()); err == nil && is.Addr().Unmap() == at {
				return is
			}
		}
	}
	bits := 64
	if at.Is4() {
		bits = 24
	}
	return netip.PrefixFrom(at, bits)
}

// portIn returns the first port in a network.
func portIn(provider verbs.Provider, network netip.Prefix) (verbs.Port, error) {
	ports, err := provider.Ports()
	if err != nil {
		return verbs.Port{}, err
	}
	for _, p := range ports {
		if Network(p).Masked() == network.Masked() {
			return p, nil
		}
	}
	return verbs.Port{}, fmt.Errorf("rdma: no active port in the network %v: %w", network.Masked(), fabric.ErrUnsupported)
}

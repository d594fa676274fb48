package rdma

import (
	"fmt"
	"net/netip"
)

// Trusted are networks of which somebody is sure that only the cluster's hosts see what passes there: nothing encrypts what an adapter writes.
type Trusted []netip.Prefix

// ParseTrusted reads networks such as 10.1.0.0/24 or fec0:1::/64.
func ParseTrusted(texts []string) (all Trusted, err error) {
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil || p != p.Masked() {
			return nil, fmt.Errorf("%q: want a network, such as 10.1.0.0/24", text)
		}
		all = append(all, p)
	}
	return all, nil
}

// Has reports whether all of a network is in one of them: whoever an adapter there reaches is.
func (t Trusted) Has(network netip.Prefix) bool {
	for _, p := range t {
		if p.Bits() <= network.Bits() && p.Contains(network.Addr()) {
			return true
		}
	}
	return false
}

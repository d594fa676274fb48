package tcpconn

import (
	"net"
	"net/netip"
)

// sitePrefix is how much of an IPv6 address says whose it is: who has a network has all the addresses in it.
const sitePrefix = 64

// Peer returns the addresses that count as one with that at a connection's other end: itself, of IPv6 its network. Only in this host's own network each
// host counts by itself: all of a cluster may be there.
func Peer(c net.Conn) netip.Prefix {
	return counted(addressOf(c.RemoteAddr()), addressOf(c.LocalAddr()))
}

func addressOf(a net.Addr) netip.Addr {
	at, _ := netip.ParseAddrPort(a.String()) // of TCP it is always one
	return at.Addr().Unmap().WithZone("")
}

func counted(remote, local netip.Addr) netip.Prefix {
	if remote.Is4() {
		return netip.PrefixFrom(remote, remote.BitLen())
	}
	site, _ := remote.Prefix(sitePrefix) // fails of no address of IPv6
	if site.Contains(local) {
		return netip.PrefixFrom(remote, remote.BitLen())
	}
	return site
}

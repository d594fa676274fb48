package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/grafnode/grafnode/api"
)

// A browser lends its place on the network, and its user's certificate, to whatever site he visits. What follows keeps other sites from
// using them: they may neither change anything here, nor read it, nor make the node work. Programs that are no browsers say nothing of
// sites and notice none of it, except that a node without TLS must be called by a name that is its own.

// crossOrigin refuses writes for which a browser says that another site's page asks, by Sec-Fetch-Site, or by Origin where a browser
// leaves that out, as all do over plain HTTP from another host.
var crossOrigin = http.NewCrossOriginProtection()

// fromElsewhere refuses what another site has a browser ask.
func (s *Server) fromElsewhere(r *http.Request, c Caller, needs api.Right) error {
	if c.Plain && !s.called(r.Host) {
		return api.Errorf(api.KindForbidden, "this node is not called %q: without TLS it is asked by its address, by a name without a dot, or by "+
			"one that its settings have in name or join; a name of somebody else's that leads here may be a site's that makes a browser ask", r.Host)
	}
	if err := crossOrigin.Check(r); err != nil {
		return api.Errorf(api.KindForbidden, "a write asked for by another site's page")
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none": // no browser, or a recent one's own page or address line
		return nil
	}
	if needs != api.RightOperate && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" {
		return nil // a link, which shows its target to the person and not to the site; but what operators fetch is work for the node, and files for their disks
	}
	return api.Errorf(api.KindForbidden, "asked for by another site's page")
}

// called reports whether a node without TLS may be asked by the name in a Host header. A site can have its own name resolved to this
// node's address, and to a browser that is then one site with the node (DNS rebinding); it cannot do that with an address, nor with a
// name without a dot.
func (s *Server) called(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") || slices.Contains(s.c.Hosts, host)
}

// siteHeaders are what a browser says of the site that asks.
var siteHeaders = []string{"Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-User"}

package membership

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/grafnode/grafnode/internal/atomicfile"
	"github.com/grafnode/grafnode/locator"
)

// peersFile is what a node remembers of others over a restart. It is a hint like all gossip: a missing or damaged file costs
// nothing but the chance to find a cluster whose seeds are all gone.
type peersFile struct {
	Version int           `json:"version"`
	Peers   []peerAddress `json:"peers"`
}

type peerAddress struct {
	ID      locator.NodeID `json:"id"`
	Address string         `json:"address"` // of its gossip
	Seen    time.Time      `json:"seen"`
}

const (
	peersVersion  = 1
	peersBytesMax = 1 << 20
)

// remembered returns what belongs into the peers file: all others that have not left.
func (c *cache) remembered() []peerAddress {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []peerAddress
	for id, p := range c.known {
		if id != c.self && (p.alive || !p.meta.leaving) {
			seen := p.seen
			if p.alive {
				seen = time.Now()
			}
			list = append(list, peerAddress{ID: id, Address: p.gossip, Seen: seen.UTC().Truncate(time.Second)})
		}
	}
	slices.SortFunc(list, func(a, b peerAddress) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return list
}

// recall takes in what a peers file says. Those nodes are looked for, and not listed before they are heard of.
func (c *cache) recall(list []peerAddress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range list {
		if a.ID != c.self && c.known[a.ID] == nil && len(c.known) < knownMax {
			c.known[a.ID] = &peer{gossip: a.Address, seen: a.Seen}
		}
	}
}

// loadPeers reads a peers file; a missing one is empty.
func loadPeers(path string) ([]peerAddress, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("membership: peers file: %w", err)
	}
	if info.Size() > peersBytesMax {
		return nil, fmt.Errorf("membership: peers file %s: %d bytes, at most %d", path, info.Size(), peersBytesMax)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("membership: peers file: %w", err)
	}
	list, err := decodePeers(b)
	if err != nil {
		return nil, fmt.Errorf("membership: peers file %s: %w", path, err)
	}
	return list, nil
}

func decodePeers(b []byte) ([]peerAddress, error) {
	var file peersFile
	if err := json.Unmarshal(b, &file); err != nil {
		return nil, err
	}
	if file.Version != peersVersion {
		return nil, fmt.Errorf("version %d, this node knows %d", file.Version, peersVersion)
	}
	for _, p := range file.Peers {
		if err := checkText(string(p.ID)); err != nil || p.ID == "" {
			return nil, fmt.Errorf("node ID %q is none", p.ID)
		}
		if _, err := netip.ParseAddrPort(p.Address); err != nil {
			return nil, fmt.Errorf("node %s: %w", p.ID, err)
		}
	}
	return file.Peers, nil
}

// savePeers replaces a peers file: after a crash it is the old one or the new one.
func savePeers(path string, list []peerAddress) error {
	b, err := json.MarshalIndent(peersFile{Version: peersVersion, Peers: list}, "", "  ")
	if err == nil {
		err = atomicfile.Write(path, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("membership: peers file: %w", err)
	}
	return nil
}

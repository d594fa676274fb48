package node

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/rdma/ibverbs"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/node/local"
	"github.com/grafnode/grafnode/node/traces"
	"github.com/grafnode/grafnode/registry"
)

// HeartbeatDefault is long because little depends on it: a leader whose process dies is replaced at once, whatever it is (docs/raft.md).
// It is the wait for a host that falls silent, and what a healthy leader on a starved host must not exceed: at 1 s, nodes that shared
// two processors with two dozen busy processes held three elections in an hour that nobody needed.
const HeartbeatDefault = 2 * time.Second

// Other defaults of Config.
const (
	BindDefault   = "127.0.0.1:7400"
	MemoryDefault = 256 << 20
	ZoneDefault   = "default"

	portDefault = 7400
	// socketPathMax is what the smallest of the systems we run on takes as a socket's path, bytes.
	socketPathMax = 103
)

// ConfigError says that a setting cannot be used: a value, an address, a file or a directory. Setting is its name on the
// command line, without dashes.
type ConfigError struct {
	Setting string
	Err     error
}

// Error returns one line.
func (e *ConfigError) Error() string { return "--" + e.Setting + ": " + e.Err.Error() }

// Unwrap returns what is wrong with the setting.
func (e *ConfigError) Unwrap() error { return e.Err }

// Config is what a node is told. Zero values mean the defaults.
type Config struct {
	// DataDir holds the node's identity, its registry and its block regions. Required; made if it is missing.
	DataDir string
	// Bind is IP[:port] of this host by which the other nodes reach this one; default BindDefault. Gossip takes the port after it.
	Bind string
	// Join are addresses, host[:port] as in Bind, of nodes to find the others by. Some may be away, and the node itself may be
	// among them. Nodes once seen are remembered in DataDir.
	Join []string
	// JoinFile names a file of more such addresses, one on each line. It is read whenever others are looked for, so it may change, or come later.
	JoinFile string
	// BootstrapExpect is how many nodes found the cluster together; each of them must be told the same number. Zero: this
	// node founds none, it waits to be taken in. A node that belongs to a cluster pays no attention to it.
	BootstrapExpect int
	// Name is for people; default the host's name.
	Name string
	// Zone is the part of the world that fails together with this node; default ZoneDefault.
	Zone string
	// Memory is how many bytes the node lends for rings; default MemoryDefault. Block regions come on top, on its disk.
	Memory uint64
	// MaxConns bounds the connections that the node's port accepts; default ConnsDefault. Three quarters of them may carry data.
	MaxConns int
	// MaxPeerConns bounds those of one peer, which is an address or, of IPv6, a network; default half of MaxConns.
	MaxPeerConns int
	// MaxSessions bounds the stage processes of this host that are connected; default SessionsDefault.
	MaxSessions int
	// TLS are the node's certificate, for the role server, its key and the authority of the cluster. Empty, on loopback only: nothing between nodes
	// is encrypted, and whoever reaches the node may do everything.
	TLS identity.Files
	// GossipKeys is a file of the keys that gossip is encrypted with; see internal/keyfile. Empty, on loopback only: it is not.
	GossipKeys string
	// Insecure lets a node go without both although others may reach it. It is for trying things out.
	Insecure bool
	// Socket is the path of the Unix socket for stages; default grafnode.sock in DataDir.
	Socket string
	// Local gives users of this host rights behind Socket; root and the node's own user have all. Others get none, and cannot open it without an entry.
	Local []local.Entry
	// Heartbeat and Election are how long Raft followers wait for a word of the leader, and candidates for votes; default
	// HeartbeatDefault, and Election as Heartbeat. Shorter finds a dead leader sooner, and a slow one dead.
	Heartbeat time.Duration
	Election  time.Duration
	// Fabric says which edges' producers elsewhere may write rings here by RDMA: auto, tcp or rdma, then EDGE= and one of them for others, with commas
	// between. Default auto: where both hosts have an adapter in a common network. With rdma it is worth a warning if this host has none.
	Fabric string
	// FabricTrusted are networks, such as 10.1.0.0/24, of whose wire the operator is sure: auto takes RDMA there though nodes speak TLS, and records go
	// in clear. Programs of this host do as it says.
	FabricTrusted []string
	// Adapters are this host's. Nil: those of ibverbs, of which a binary without the build tag rdma knows none.
	Adapters verbs.Provider
	// LogStore is how the registry's log is stored: bolt, wal or auto; default auto: as it is, else what is faster.
	LogStore string
	// DrainFor is for how long, when it is told to go, the node waits for its rings to be moved to other nodes first. Zero: they stay, for
	// it to take over again if it is back within their terms.
	DrainFor time.Duration
	// Version is shown to people and told the other nodes.
	Version string
	// OTLPEndpoint is the collector that gets traces of rewires; see node/traces. Empty: none are sent.
	OTLPEndpoint string
	// Logs returns what was logged lately, and Settings what the node was told, both for operators who look for what went wrong. Nil: nothing.
	Logs, Settings func() []byte
	// Logger gets what operators should know. Nil: slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	c.Bind = cmp.Or(c.Bind, BindDefault)
	bind, err := address(c.Bind)
	if err != nil {
		return c, &ConfigError{"bind", err}
	}
	c.Bind = bind
	if c.Name == "" {
		if c.Name, err = os.Hostname(); err != nil {
			c.Name = "node"
		}
	}
	c.Zone = cmp.Or(c.Zone, ZoneDefault)
	c = c.withDefaultLimits()
	c.Socket = cmp.Or(c.Socket, filepath.Join(c.DataDir, fileSocket))
	c.Heartbeat = cmp.Or(c.Heartbeat, HeartbeatDefault)
	c.Election = cmp.Or(c.Election, c.Heartbeat)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Adapters == nil {
		c.Adapters = ibverbs.New()
	}
	return c, nil
}

// Validate reports the first setting that cannot be used, as a *ConfigError. It looks at values only, not at the disk.
func (c Config) Validate() error {
	c, err := c.withDefaults()
	if err != nil {
		return err
	}
	bind := netip.MustParseAddrPort(c.Bind)
	wrong := func(setting string, format string, args ...any) error {
		return &ConfigError{setting, fmt.Errorf(format, args...)}
	}
	switch {
	case c.DataDir == "":
		return wrong("data-dir", "is required: a directory of this node's own")
	case bind.Addr().IsUnspecified():
		return wrong("bind", "%s is every address of the host; give the one by which the other nodes reach it", bind.Addr())
	case bind.Port() == 0 || bind.Port() == 65535:
		return wrong("bind", "port %d: must be 1 to 65534, gossip takes the next one", bind.Port())
	case c.BootstrapExpect < 0:
		return wrong("bootstrap-expect", "%d: must be how many nodes found the cluster, or 0", c.BootstrapExpect)
	case c.Memory < fabric.CapacityMin:
		return wrong("memory", "%d bytes: less than the smallest ring of %d", c.Memory, fabric.CapacityMin)
	case len(c.Socket) > socketPathMax:
		return wrong("socket", "%s: the path is over %d bytes, which is what the system takes", c.Socket, socketPathMax)
	case c.Heartbeat < 50*time.Millisecond || c.Heartbeat > time.Minute:
		return wrong("raft-heartbeat", "%v: must be 50ms to 1m", c.Heartbeat)
	case !slices.Contains([]string{"", registry.LogStoreAuto, registry.LogStoreBolt, registry.LogStoreWAL}, c.LogStore):
		return wrong("log-store", "%q: must be bolt, wal or auto", c.LogStore)
	case c.Election < c.Heartbeat || c.Election > time.Minute:
		return wrong("raft-election", "%v: must be the heartbeat's %v to 1m", c.Election, c.Heartbeat)
	}
	if err := c.checkLimits(); err != nil {
		return err
	}
	if _, _, err := fabricOf(c); err != nil {
		return err
	}
	for setting, path := range map[string]string{"tls-ca": c.TLS.CA, "tls-cert": c.TLS.Cert, "tls-key": c.TLS.Key} {
		if path == "" && c.TLS != (identity.Files{}) {
			return wrong(setting, "is missing: tls-ca, tls-cert and tls-key are set together")
		}
	}
	if !c.Insecure && !bind.Addr().IsLoopback() {
		const open = "is missing: others reach %s, and whoever did might do everything (see docs/security.md; on loopback it may be left out)"
		switch {
		case c.TLS == (identity.Files{}):
			return wrong("tls-cert", open, bind.Addr())
		case c.GossipKeys == "":
			return wrong("gossip-keys", open, bind.Addr())
		}
	}
	for setting, name := range map[string]string{"name": c.Name, "zone": c.Zone} {
		if err := api.CheckEdgeName(name); err != nil {
			return wrong(setting, "%w", err)
		}
	}
	if c.OTLPEndpoint != "" {
		if err := CheckEndpoint(c.OTLPEndpoint); err != nil {
			return &ConfigError{"otlp-endpoint", err}
		}
	}
	if _, err := c.seeds(); err != nil {
		return &ConfigError{"join", err}
	}
	return nil
}

// CheckEndpoint reports what is wrong with a Config.OTLPEndpoint, without repeating it: there may be a password in it.
func CheckEndpoint(s string) error { return traces.Config{Endpoint: s}.Validate() }

// address completes IP[:port].
func address(s string) (string, error) {
	if ip, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(ip, portDefault).String(), nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return "", fmt.Errorf("%q is no address: give IP or IP:port, such as %s", s, BindDefault)
	}
	return a.String(), nil
}

// seeds returns the gossip addresses of the nodes to join.
func (c Config) seeds() ([]string, error) {
	seeds := make([]string, 0, len(c.Join))
	for _, s := range c.Join {
		seed, err := gossipAddress(s)
		if err != nil {
			return nil, err
		}
		seeds = append(seeds, seed)
	}
	return seeds, nil
}

// names are the names with a dot that the node was told, its own and those of the nodes that it joins: by them it may be asked without TLS.
func (c Config) names() (names []string) {
	for _, name := range append([]string{c.Name}, c.Join...) {
		if host, _, err := net.SplitHostPort(name); err == nil {
			name = host
		}
		if strings.Contains(name, ".") {
			names = append(names, strings.ToLower(name))
		}
	}
	return names
}

// seedsOf returns the gossip addresses of the nodes that a file names, one on each line, and what is wrong with the others. Empty lines and those that
// begin with # are passed over.
func seedsOf(path string) (seeds []string, wrong error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		seed, err := gossipAddress(line)
		if err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("%s:%d: %w", path, number, err))
			continue
		}
		seeds = append(seeds, seed)
	}
	return seeds, wrong
}

// gossipAddress turns a node's address, host[:port], into that of its gossip. Host names stay names: they may come to mean
// something else.
func gossipAddress(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, strconv.Itoa(portDefault)
		if ip, perr := netip.ParseAddr(s); perr == nil {
			host = ip.String()
		} else if aerr := new(net.AddrError); errors.As(err, &aerr) && aerr.Err != "missing port in address" {
			return "", fmt.Errorf("%q is no address: give host or host:port, such as %s", s, BindDefault)
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if !isHost(host) || err != nil || n == 0 || n == 65535 {
		return "", fmt.Errorf("%q is no address: give host or host:port, such as %s", s, BindDefault)
	}
	return net.JoinHostPort(host, strconv.FormatUint(n+1, 10)), nil
}

var hostName = regexp.MustCompile(`^([A-Za-z0-9_-]+\.)*([A-Za-z0-9_-]+)\.?$`)

// isHost reports whether s is an IP address or may be the name of a host. What ends in a number is no name: it is an address
// with a typing error, and would be looked up in vain for ever.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	name := hostName.FindStringSubmatch(s)
	if name == nil {
		return false
	}
	_, err := strconv.ParseUint(name[2], 10, 64)
	return err != nil
}

package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/api/server"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/node/blocks"
	"github.com/grafnode/grafnode/node/host"
	"github.com/grafnode/grafnode/node/leaselog"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
	"github.com/grafnode/grafnode/transport"
)

// Open starts the node. It returns when the node can be asked, not when it has found a cluster; see Problems. After an error,
// Close. A setting that turns out unusable is a *ConfigError.
func (n *Node) Open() error {
	for _, step := range []func() error{
		func() error { return checkMemory(n.cfg.Memory) },
		n.openIdentity, // before anything is said to anybody
		n.openDisk,     // before all that writes: nothing may be said in this node's name before its identity is known and locked
		n.openPort,     // before Raft, which listens on it
		n.openRegistry, // before gossip, which tells the others whether there is state
		n.openDirect,   // before gossip, which tells the others
		n.openGossip,
		n.openAPI, // when all that it answers from is there
		n.openTraces,
		n.openTasks,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	n.warnOfPort()
	n.warnOfUsers()
	n.log.Info("node is up", "node", n.dir.id, "address", n.Address(), "socket", n.cfg.Socket, "data_dir", n.cfg.DataDir)
	return nil
}

// checkMemory refuses to lend what there is not. Rings are allocated whole when they are made, so too much would not fail but end
// processes.
func checkMemory(lent uint64) error {
	if size, known := hostMemory(); known && lent > size {
		return &ConfigError{"memory", fmt.Errorf("%d bytes, of the %d that this host or container has: lend less, and leave some for the stages",
			lent, size)}
	}
	return nil
}

func (n *Node) openDisk() (err error) {
	if n.dir, err = openDataDir(n.cfg.DataDir); err != nil {
		return &ConfigError{"data-dir", err}
	}
	n.opened(n.dir.close) // last of all: the lock outlives whatever writes
	if n.blocks, err = blocks.Open(n.dir.file(dirBlocks)); err != nil {
		return &ConfigError{"data-dir", err}
	}
	n.opened(n.blocks.Close)
	return nil
}

func (n *Node) openPort() (err error) {
	n.mux, err = transport.Listen(transport.Config{
		Address: n.cfg.Bind, Identity: n.identity.id, ConnsMax: n.cfg.MaxConns, PeerConnsMax: n.cfg.MaxPeerConns, Logger: n.log,
	})
	if err != nil {
		return &ConfigError{"bind", err}
	}
	n.opened(n.mux.Close) // after Raft and the servers, which end before their listeners do
	return nil
}

func (n *Node) openRegistry() (err error) {
	n.registry, err = registry.New(registry.Config{
		NodeID: n.dir.id, Address: n.Address(), DataDir: n.dir.file(dirRegistry), Layer: n.mux.Raft(), Cluster: n.dir.cluster(),
		Heartbeat: n.cfg.Heartbeat, Election: n.cfg.Election, LogStore: n.cfg.LogStore, Logger: n.log, Fatal: n.fail,
	})
	if err != nil {
		return err
	}
	timed := &leaseTime{registry: n.registry}
	n.keeper, err = leasebroker.New(leasebroker.Config{Registry: timed, Now: boottime.Now, Logger: n.log})
	if err != nil {
		return err
	}
	n.hear(timed)
	n.leader = &leaderLine{registry: n.registry, dialling: n.identity.dialling}
	n.opened(n.leader.close)
	n.opened(n.keeper.Close) // after the registry, which calls it
	n.opened(n.registry.Close)
	if err := n.keeper.Open(); err != nil {
		return err
	}
	if err := n.registry.Open(); err != nil {
		return &ConfigError{"data-dir", err}
	}
	// Who has forgotten what he promised must not vote under the name that promised it.
	if has, err := n.registry.HasState(); err != nil || !has && n.dir.cluster() != "" {
		return &ConfigError{"data-dir", errors.Join(err, fmt.Errorf(
			"%s belongs to cluster %s but its registry is gone; wipe the directory and join as a new node", n.cfg.DataDir, n.dir.cluster()))}
	}
	n.promises = &promises{self: n.dir.id, expect: n.cfg.BootstrapExpect, path: n.dir.file(fileFounder), taken: n.registry.HasState}
	return nil
}

// hear has all who go by the registry's state told of what it applies.
func (n *Node) hear(timed *leaseTime) {
	changes, newRings := server.NewChanges(n.metrics), n.newRings()
	n.registry.OnApply(func(index, term uint64, c state.Command, r state.Result) {
		n.keeper.Applied(leaselog.Applied(index, term, c, r))
		timed.told.move(index)
		changes.Applied(c, r)
		newRings(c, r)
		n.wake(c)
	})
	n.registry.OnRestore(func(s *state.State) {
		n.keeper.Restored()
		timed.told.move(s.Index())
		select {
		case n.restored <- struct{}{}:
		default:
		}
		n.wake(nil)
	})
}

func (n *Node) openGossip() (err error) {
	bind := netip.MustParseAddrPort(n.cfg.Bind) // validated
	seeds, err := n.cfg.seeds()
	if err != nil {
		return &ConfigError{"join", err}
	}
	keys, err := n.gossipKeys()
	if err != nil {
		return err
	}
	if n.advertised, err = n.self(); err != nil {
		return err
	}
	var more func() ([]string, error)
	if path := n.cfg.JoinFile; path != "" {
		more = func() ([]string, error) { return seedsOf(path) }
	}
	n.gossip, err = membership.New(membership.Config{
		NodeID: n.dir.id, Name: n.cfg.Name, Zone: n.cfg.Zone, BindAddr: bind.Addr().String(), BindPort: int(bind.Port()) + 1,
		AdvertiseAddress: n.Address(), Join: seeds, Seeds: more, Expect: n.cfg.BootstrapExpect, PeersFile: n.dir.file(filePeers),
		Version: n.cfg.Version, Direct: n.network(), Self: n.advertised, Keys: keys, Logger: n.log,
	})
	if err != nil {
		return err
	}
	n.opened(n.gossip.Close)
	if err := n.gossip.Open(); err != nil {
		return &ConfigError{"bind", fmt.Errorf("gossip: %w", err)}
	}
	return nil
}

func (n *Node) openAPI() (err error) {
	n.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	server.NewCluster(n.metrics, n.dir.id, n.registry, n.gossip, n.ringMetrics)
	if n.identity.id != nil {
		server.ShowCertificate(n.metrics, n.identity.id.Expires)
	}
	server.ShowSilences(n.metrics, n.silences.Counts)
	server.ShowRefusals(n.metrics, n.refused.Count)
	server.NewControl(n.metrics, n.registry, n.registry, n.keeper.Stats, func() server.Port { return server.Port(n.mux.Stats()) })
	n.api, err = server.New(server.Config{
		Node: n.dir.id, Name: n.cfg.Name, Version: n.cfg.Version, Registry: n.registry, Group: n.registry, Gossip: n.gossip,
		Keeper: n.keeper, Blocks: n.blocks, Founding: n.promises, Reported: n.stages, Problems: n.Problems, Metrics: n.metrics, Logger: n.log,
		Space:       func() (uint64, uint64) { return space(n.cfg.DataDir) },
		Authorities: n.identity.authorities, Dial: n.identity.dial,
		Logs: n.cfg.Logs, Settings: n.cfg.Settings, Hosts: n.cfg.names(),
	})
	if err != nil {
		return err
	}
	n.opened(n.api.Close)
	socket, err := listenUnix(n.cfg.Socket, socketMode(n.users.Load()))
	if err != nil {
		return &ConfigError{"socket", err}
	}
	n.split = host.NewSplit(socket, n.log)
	n.http = &http.Server{
		Handler: n.api.Handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog:    slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),  // about single connections
		BaseContext: func(net.Listener) context.Context { return n.life }, // watches end with the node
		ConnContext: n.caller,
	}
	return nil
}

// ringMetrics adds up the rings that have memory here.
func (n *Node) ringMetrics() []server.Ring {
	s := n.serving.Load()
	if s == nil {
		return nil
	}
	var out []server.Ring
	for _, r := range s.host.Rings() {
		out = append(out, server.Ring{Edge: r.Ring.Edge, Used: r.Usage.Bytes, Capacity: int(r.Ring.Capacity), Mapped: int(r.Ring.Bytes())})
	}
	return out
}

// openTasks starts what runs until the node closes.
func (n *Node) openTasks() error {
	n.opened(n.closeServing) // when register cannot begin it any more
	n.opened(func() error {
		n.tasks.Wait() // after the listeners that some of them accept from
		return nil
	})
	n.split.Open()
	n.opened(n.split.Close)
	n.opened(n.http.Close) // first of all: nobody is promised anything any more
	news := n.registry.Leadership()
	n.tasks.Go(func() { n.lead(n.life, news) })
	n.tasks.Go(func() { n.tend(n.life) })
	n.tasks.Go(func() { n.register(n.life) })
	n.tasks.Go(func() { n.empty(n.life) })
	n.tasks.Go(func() { n.watchdog(n.life) })
	n.tasks.Go(func() { n.serveHTTP(n.mux.HTTP()) })
	n.tasks.Go(func() { n.serveHTTP(n.split.HTTP()) })
	return nil
}

func (n *Node) serveHTTP(l net.Listener) {
	if err := n.http.Serve(l); !errors.Is(err, http.ErrServerClosed) && n.life.Err() == nil {
		n.fail(fmt.Errorf("API: %w", err))
	}
}

// listenUnix makes the node's socket, of a mode. One that a crash left behind is removed, one that somebody answers at is not.
func listenUnix(path string, mode fs.FileMode) (*net.UnixListener, error) {
	addr := &net.UnixAddr{Name: path, Net: "unix"}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("%s is there and is no socket", path)
		}
		if conn, err := net.DialUnix("unix", nil, addr); err == nil {
			return nil, errors.Join(fmt.Errorf("%s is in use by another agent", path), conn.Close())
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.ListenUnix("unix", addr)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (n *Node) askPromise(ctx context.Context, address string, r api.FoundRequest) error {
	a, err := client.NewAPI(address, client.APIConfig{TLS: n.identity.dialling})
	if err != nil {
		return err
	}
	defer a.Close()
	return a.Found(ctx, r)
}

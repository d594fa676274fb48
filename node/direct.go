package node

import (
	"errors"
	"log/slog"

	"github.com/grafnode/grafnode/api/server"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/rdma"
	"github.com/grafnode/grafnode/fabric/tcp"
)

// fabricOf reads the settings. What is wrong is a *ConfigError.
func fabricOf(c Config) (choice rdma.Choice, trusted rdma.Trusted, err error) {
	if choice, err = rdma.ParseChoice(c.Fabric); err != nil {
		return choice, nil, &ConfigError{"fabric", err}
	}
	if trusted, err = rdma.ParseTrusted(c.FabricTrusted); err != nil {
		return choice, nil, &ConfigError{"fabric-trusted", err}
	}
	return choice, trusted, nil
}

// openDirect opens this host's adapter, if there is one that is to be used. A node does as well without.
func (n *Node) openDirect() error {
	choice, trusted, err := fabricOf(n.cfg)
	if err != nil {
		return err
	}
	n.trusted = trusted
	if choice.None() {
		return nil
	}
	f, err := n.openFirst(choice)
	if err != nil {
		level := slog.LevelWarn
		if errors.Is(err, fabric.ErrUnsupported) && choice.For("") == rdma.Auto {
			level = slog.LevelDebug
		}
		n.log.Log(n.life, level, "producers elsewhere reach the rings here by TCP only", "reason", err)
		return nil
	}
	n.direct = f
	n.opened(f.Close)
	server.ShowDirect(n.metrics, func() (uint64, uint64) { s := f.Stats(); return s.Ways, s.Fallbacks })
	n.log.Info("producers elsewhere may reach the rings here by RDMA", "network", f.Network())
	return nil
}

// openFirst opens the first port that there is and that is to be used.
func (n *Node) openFirst(choice rdma.Choice) (*rdma.Fabric, error) {
	ports, err := n.cfg.Adapters.Ports()
	if err != nil {
		return nil, err
	}
	for _, port := range ports {
		c, network := choice, rdma.Network(port).Masked()
		if n.identity.id != nil && !n.trusted.Has(network) {
			c = choice.Encrypted()
		}
		if c.None() {
			n.log.Info("an RDMA adapter is left alone: nodes speak TLS, and fabric-trusted does not have its network", "device", port.Device, "network", network)
			continue
		}
		f, e := rdma.Open(rdma.Config{Provider: n.cfg.Adapters, Port: port, Choice: c, Logger: n.log})
		if e == nil {
			return f, nil
		}
		err = errors.Join(err, e)
	}
	if err == nil {
		err = errNoPort
	}
	return nil, err
}

var errNoPort = errors.Join(errors.New("no adapter has an active port"), fabric.ErrUnsupported)

// network is what the node gossips of its adapter.
func (n *Node) network() string {
	if n.direct == nil {
		return ""
	}
	return n.direct.Network().String()
}

// ways is what the host is to accept ways by: no nil *Fabric.
func (n *Node) ways() tcp.Direct {
	if n.direct == nil {
		return nil
	}
	return n.direct
}

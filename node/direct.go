package node

import (
	"errors"
	"log/slog"

	"github.com/grafnode/grafnode/api/server"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/rdma"
	"github.com/grafnode/grafnode/fabric/tcp"
)

// fabricOf returns what is wrong with the setting.
func fabricOf(c Config) error {
	_, err := rdma.ParseChoice(c.Fabric)
	return err
}

// openDirect opens this host's adapter, if there is one that is to be used. A node does as well without.
func (n *Node) openDirect() error {
	choice, err := rdma.ParseChoice(n.cfg.Fabric)
	if err != nil {
		return &ConfigError{"fabric", err}
	}
	if n.identity.id != nil {
		choice = choice.Encrypted()
	}
	if choice.None() {
		return nil
	}
	f, err := openFirst(rdma.Config{Provider: n.cfg.Adapters, Choice: choice, Logger: n.log})
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

// openFirst opens the first port that there is.
func openFirst(c rdma.Config) (*rdma.Fabric, error) {
	ports, err := c.Provider.Ports()
	if err != nil {
		return nil, err
	}
	for _, c.Port = range ports {
		f, e := rdma.Open(c)
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

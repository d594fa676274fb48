package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/grafnode/grafnode/internal/tcpconn"
)

// Mux is a port that is being listened on. All methods are safe for concurrent use.
type Mux struct {
	cfg      Config
	listener *net.TCPListener
	ports    [usesMax]*port
	raft     *RaftLayer
	conns    tracker
	stop     context.Context // ends with Close
	cancel   context.CancelFunc
	tasks    sync.WaitGroup
}

// Listen takes the port and begins to accept. Connections for a use whose listener is not being accepted from are cut after
// Config.PrefaceTimeout, so a node may open its parts in any order. The caller must Close the Mux.
func Listen(cfg Config) (*Mux, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	// Keepalive is set by tcpconn.Tune, on accepted and dialled connections alike.
	lc := net.ListenConfig{KeepAlive: -1}
	l, err := lc.Listen(context.Background(), "tcp", cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	m := &Mux{cfg: cfg, listener: l.(*net.TCPListener)} // what network "tcp" gives
	m.conns.init(cfg.ConnsMax, cfg.PeerConnsMax, cfg.NewConnsMax)
	m.stop, m.cancel = context.WithCancel(context.Background())
	addr := l.Addr()
	if cfg.Advertise != "" {
		addr = net.TCPAddrFromAddrPort(netip.MustParseAddrPort(cfg.Advertise)) // validated
	}
	for u := range m.ports {
		m.ports[u] = newPort(addr)
	}
	m.raft = &RaftLayer{port: m.ports[useRaft], mux: m}
	m.tasks.Go(m.accept)
	return m, nil
}

// Addr returns the address that other nodes use.
func (m *Mux) Addr() net.Addr { return m.ports[useHTTP].Addr() }

// Raft returns Raft's listener and dialler, a raft.StreamLayer.
func (m *Mux) Raft() *RaftLayer { return m.raft }

// Data returns the listener of the connections that came with api.PrefaceData, which is read off them already. They have a method Proven, to
// be called once the other end has shown who it is: until then the oldest of them are cut when there are many.
func (m *Mux) Data() net.Listener { return m.ports[useData] }

// HTTP returns the listener of all other connections.
func (m *Mux) HTTP() net.Listener { return m.ports[useHTTP] }

// Limit sets how many connections are accepted from now on, of all and of one peer. Those that there are stay, though they are more.
func (m *Mux) Limit(conns, peerConns int) { m.conns.limit(conns, peerConns) }

// Stats returns counts since Listen.
func (m *Mux) Stats() Stats { return m.conns.stats() }

// Close frees the port, cuts every connection accepted here or dialled by Raft, ends the listeners with net.ErrClosed, and waits.
// Idempotent.
func (m *Mux) Close() error {
	m.cancel()
	err := m.listener.Close()
	for _, p := range m.ports {
		_ = p.Close() // never fails
	}
	m.conns.closeAll()
	m.tasks.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (m *Mux) accept() {
	const pauseMin, pauseMax = 5 * time.Millisecond, time.Second
	pause := pauseMin
	for {
		c, err := m.listener.AcceptTCP()
		switch {
		case err == nil:
			pause = pauseMin
			m.admit(c)
		case m.stop.Err() != nil:
			return
		default: // out of descriptors, most likely: the condition passes, and spinning would not help it
			m.cfg.Logger.Warn("transport: accept failed", "err", err, "again_in", pause)
			select {
			case <-time.After(pause):
			case <-m.stop.Done():
				return
			}
			pause = min(2*pause, pauseMax)
		}
	}
}

func (m *Mux) admit(tcp *net.TCPConn) {
	c := &conn{TCPConn: tcp, tracker: &m.conns, peer: tcpconn.Peer(tcp)}
	if !m.conns.admit(c) {
		_ = tcp.Close() // refused; nothing was promised
		m.cfg.Logger.Debug("transport: connection refused: too many", "remote", tcp.RemoteAddr())
		return
	}
	m.tasks.Go(func() {
		if err := m.receive(c); err != nil {
			_ = c.Close() // cut; the reason is what counts
			m.cfg.Logger.Debug("transport: connection cut", "remote", tcp.RemoteAddr(), "err", err)
		}
	})
}

// receive finds out what c is for and hands it over.
func (m *Mux) receive(c *conn) error {
	if err := tcpconn.Tune(c.TCPConn); err != nil {
		return err
	}
	limit := time.Now().Add(m.cfg.PrefaceTimeout)
	use, identified, err := m.identify(c, limit)
	if err != nil {
		return err
	}
	if !m.conns.identified(c, use) {
		return errFull
	}
	return m.ports[use].deliver(identified, limit)
}

// identify reads the preface, and finds out who is there.
func (m *Mux) identify(c *conn, limit time.Time) (use, net.Conn, error) {
	if err := c.SetDeadline(limit); err != nil {
		return 0, nil, err
	}
	var room [prefaceMax]byte
	u, read, err := readPreface(c, room[:])
	if err != nil {
		m.conns.countLate()
		return 0, nil, fmt.Errorf("no preface after %d bytes: %w", len(read), err)
	}
	plain := net.Conn(c)
	if u == useHTTP {
		plain = &unread{Conn: c, rest: read}
	}
	identified, err := m.secure(c, plain, u)
	if err != nil {
		m.conns.countStranger()
		return 0, nil, err
	}
	return u, identified, c.SetDeadline(time.Time{})
}

package rdma_test

import (
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/rdma"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
	"github.com/grafnode/grafnode/fabric/rdma/verbsfake"
	"github.com/grafnode/grafnode/fabric/tcp"
)

// An adapter is used for nodes in its network, and edges that are not to go by TCP.
func TestAdapters(t *testing.T) {
	host := verbsfake.NewNetwork(1).Host("far")
	ports, err := host.Ports()
	require.NoError(t, err)
	near := rdma.Network(ports[0])
	far := netip.MustParsePrefix("10.9.9.9/24")
	c, err := rdma.ParseChoice("auto,slow=tcp")
	require.NoError(t, err)
	a := rdma.NewAdapters(host, c, slog.New(slog.DiscardHandler))
	require.NotNil(t, a.To("edge", 1, near, false))
	require.Same(t, a.To("edge", 1, near, false), a.To("other", 1, near, false))
	require.Nil(t, a.To("slow", 1, near, false))
	require.Nil(t, a.To("edge", 1, far, false))
	require.Nil(t, a.To("edge", 1, netip.Prefix{}, false))
	require.Nil(t, a.To("edge", 1, near, true), "nothing would encrypt it")
	require.NoError(t, a.Close())
	require.Nil(t, a.To("edge", 1, near, false), "it is closed")
	require.Nil(t, rdma.NewAdapters(nil, c, slog.New(slog.DiscardHandler)).To("edge", 1, near, false))
	require.Nil(t, rdma.NewAdapters(broken{}, c, slog.New(slog.DiscardHandler)).To("edge", 1, near, false))
}

// Of a ring that was to go by RDMA the log says which it is.
func TestARingThatWasToGoByRDMAIsTold(t *testing.T) {
	c, err := rdma.ParseChoice("rdma")
	require.NoError(t, err)
	log := &lines{}
	require.Nil(t, rdma.NewAdapters(nil, c, log.log()).To("edge", 7, netip.Prefix{}, false))
	require.Equal(t, 1, log.with("edge=edge generation=7"))
}

type broken struct{}

func (broken) Ports() ([]verbs.Port, error)          { return nil, errors.New("no library") }
func (broken) Open(verbs.Port) (verbs.Device, error) { return nil, errors.New("no library") }

// lines are a log's.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(b))
	return len(b), nil
}

func (l *lines) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// with returns how many have a text.
func (l *lines) with(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// mending is a provider that works as soon as there is nothing wrong with it.
type mending struct {
	verbs.Provider
	wrong error
}

func (m *mending) Open(p verbs.Port) (verbs.Device, error) {
	if m.wrong != nil {
		return nil, m.wrong
	}
	return m.Provider.Open(p)
}

// An adapter that could not be opened is tried again after a while, and why is said once.
func TestAnAdapterIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := verbsfake.NewNetwork(1).Host("far")
		ports, _ := host.Ports()
		node := rdma.Network(ports[0])
		provider, log := &mending{host, errors.New("too busy")}, &lines{}
		a := rdma.NewAdapters(provider, rdma.Choice{}, log.log())
		for range 3 {
			require.Nil(t, a.To("edge", 1, node, false))
			time.Sleep(time.Minute)
		}
		provider.wrong = nil
		require.NotNil(t, a.To("edge", 1, node, false))
		require.Equal(t, 1, log.with("too busy"))

		host.Say(verbs.Event{Kind: verbs.DeviceLost, What: "gone"}) // and all over again
		provider.wrong = errors.New("not there")
		synctest.Wait()
		for range 3 {
			require.Nil(t, a.To("edge", 1, node, false))
			time.Sleep(time.Minute - time.Second)
		}
		provider.wrong = nil
		time.Sleep(2 * time.Second)
		require.NotNil(t, a.To("edge", 1, node, false))
		require.Equal(t, []int{1, 1}, []int{log.with("gone"), log.with("not there")})
		require.NoError(t, a.Close())
		require.Equal(t, 1, log.with("too busy"))
	})
}

// A node's adapter that was lost is opened again when there is use for it, beside what still hangs on the one that was lost.
func TestALostAdapterIsOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, log := verbsfake.NewNetwork(1), &lines{}
		host := network.Host("owner")
		provider := &mending{Provider: host}
		ports, _ := host.Ports()
		owner, err := rdma.Open(rdma.Config{Provider: provider, Port: ports[0], Logger: log.log()})
		require.NoError(t, err)
		far := open(t, network.Host("far"))
		accept := func() (tcp.Incoming, error) {
			way, offer, err := far.Offer("edge")
			require.NoError(t, err)
			defer way.Close()
			in, _, err := owner.Accept("edge", offer, make([]byte, 4096))
			return in, err
		}
		before, err := accept()
		require.NoError(t, err)
		host.Say(verbs.Event{Kind: verbs.DeviceLost, What: "pulled out"})
		synctest.Wait()
		provider.wrong = errors.New("not there")
		for range 5 {
			_, err = accept()
			require.ErrorContains(t, err, "pulled out")
			time.Sleep(time.Minute - time.Second)
		}
		require.Equal(t, []int{1, 1}, []int{log.with("pulled out"), log.with("not there")})
		provider.wrong = nil
		time.Sleep(2 * time.Second)
		after, err := accept()
		require.NoError(t, err)
		require.Equal(t, 1, log.with("there again"))
		before.Close()
		host.Say(verbs.Event{Kind: verbs.DeviceLost, What: "and again"})
		synctest.Wait()
		_, err = accept()
		require.ErrorContains(t, err, "and again")
		after.Close()
		time.Sleep(time.Minute)
		last, err := accept()
		require.NoError(t, err)
		require.NoError(t, owner.Close())
		_, err = accept()
		require.ErrorIs(t, err, fabric.ErrClosed)
		last.Close() // and there is nobody left who hears it
		host.Say(verbs.Event{Kind: verbs.DeviceLost, What: "at last"})
		synctest.Wait()
		require.Zero(t, log.with("at last"))
	})
}

// stubborn is a provider with a port in each of two networks, whose devices cannot be closed.
type stubborn struct{ closed []string }

func (s *stubborn) Ports() (all []verbs.Port, err error) {
	for _, name := range []string{"one", "two"} {
		all = append(all, verbs.Port{Device: name, Number: 1, WriteMax: 1, GID: verbs.GID{0: 0xfd, 7: name[0], 15: 1}})
	}
	return all, nil
}

func (s *stubborn) Open(p verbs.Port) (verbs.Device, error) {
	return &stuck{port: p, of: s, over: make(chan struct{})}, nil
}

type stuck struct {
	verbs.Device
	port verbs.Port
	of   *stubborn
	over chan struct{}
}

func (*stuck) Limits() verbs.Limits { return verbs.Limits{Writes: 1 << 10, Receives: 1 << 10} }

func (d *stuck) Event() (verbs.Event, error) {
	<-d.over
	return verbs.Event{}, errors.New("closed")
}

func (d *stuck) Close() error {
	close(d.over)
	d.of.closed = append(d.of.closed, d.port.Device)
	return errors.New(d.port.Device + " is stuck")
}

// All are closed, and of all it is said what was wrong.
func TestAdaptersCloseAll(t *testing.T) {
	s := &stubborn{}
	a := rdma.NewAdapters(s, rdma.Choice{}, slog.New(slog.DiscardHandler))
	ports, _ := s.Ports()
	for _, p := range ports {
		require.NotNil(t, a.To("edge", 1, rdma.Network(p), false))
	}
	err := a.Close()
	require.ElementsMatch(t, []string{"one", "two"}, s.closed)
	require.ErrorContains(t, err, "one is stuck")
	require.ErrorContains(t, err, "two is stuck")
	require.NoError(t, a.Close())
}

package tcp_test

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/tcp"
)

func TestFabricOverTLS(t *testing.T) {
	server, client := tcp.Certified(t)
	fabrictest.Run(t, func(t testing.TB, cfg fabric.Config) fabrictest.Pair {
		arena, err := newInproc(cfg)
		require.NoError(t, err)
		o := serveTLS(t, arena, server)
		a := o.attach(o.listener.Addr().String())
		a.TLS, a.Heartbeat = client, suiteHeartbeat
		return fabrictest.Pair{
			Arena:    arena,
			Producer: func() (fabric.Producer, error) { return tcp.DialProducer(t.Context(), a) },
			Consumer: func() (fabric.Consumer, error) { return tcp.DialConsumer(t.Context(), a) },
		}
	})
}

func TestTLSRefusesStrangers(t *testing.T) {
	server, client := tcp.Certified(t)
	_, other := tcp.Certified(t)
	old := client.Clone()
	old.MaxVersion = tls.VersionTLS12
	for name, c := range map[string]*tls.Config{"another authority": other, "an old version": old, "another name": {RootCAs: client.RootCAs, ServerName: "example.org"}, "none": nil} {
		t.Run(name, func(t *testing.T) {
			arena, err := newInproc(fabrictest.Config(fabric.CapacityMin))
			require.NoError(t, err)
			o := serveTLS(t, arena, server)
			a := o.attach(o.listener.Addr().String())
			a.TLS, a.Heartbeat = c, 100*time.Millisecond
			_, err = tcp.DialProducer(t.Context(), a)
			require.ErrorIs(t, err, fabric.ErrDisconnected)
			require.Error(t, serveEnded(t, o))
			p, err := arena.Producer()
			require.NoError(t, err, "nobody has attached")
			require.NoError(t, p.Close())
		})
	}
}

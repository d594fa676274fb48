package tcp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/tcp"
)

// certified returns the two ends' settings for a new certificate of 127.0.0.1.
func certified(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: roots}
}

func TestFabricOverTLS(t *testing.T) {
	server, client := certified(t)
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
	server, client := certified(t)
	_, other := certified(t)
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

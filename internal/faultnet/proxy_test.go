package faultnet

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// through returns the two ends of a connection through a proxy.
func through(t *testing.T) (p *Proxy, near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	p = Start(t, l.Addr().String())
	near, err = net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	far, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = errors.Join(near.Close(), far.Close()) })
	return p, near, far
}

func say(t *testing.T, c net.Conn, s string) {
	t.Helper()
	_, err := c.Write([]byte(s))
	require.NoError(t, err)
}

func requireHears(t *testing.T, c net.Conn, want string) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(30*time.Second)))
	got := make([]byte, len(want))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
}

func requireSilence(t *testing.T, c net.Conn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, err := c.Read(make([]byte, 1))
	require.ErrorContains(t, err, "timeout")
}

func TestForwardsBothWaysAndPassesTheEndOn(t *testing.T) {
	_, near, far := through(t)
	say(t, near, "ping")
	requireHears(t, far, "ping")
	say(t, far, "pong")
	requireHears(t, near, "pong")
	require.NoError(t, near.(*net.TCPConn).CloseWrite())
	rest, err := io.ReadAll(far)
	require.NoError(t, err)
	require.Empty(t, rest)
	say(t, far, "still here")
	requireHears(t, near, "still here")
}

func TestDelay(t *testing.T) {
	p, near, far := through(t)
	p.Delay(Up, 30*time.Millisecond)
	start := time.Now()
	say(t, near, "slow")
	requireHears(t, far, "slow")
	require.GreaterOrEqual(t, time.Since(start), 30*time.Millisecond)
}

func TestCutOneWayHoldsBackUntilHealed(t *testing.T) {
	p, near, far := through(t)
	p.Cut(Up)
	say(t, near, "held")
	requireSilence(t, far)
	say(t, far, "the other way is open")
	requireHears(t, near, "the other way is open")
	p.Heal()
	requireHears(t, far, "held")
}

func TestBlackHoleLosesForGood(t *testing.T) {
	p, near, far := through(t)
	p.BlackHole(Both)
	say(t, near, "lost")
	requireSilence(t, far)
	p.Heal()
	say(t, near, "found")
	requireHears(t, far, "found")
}

func TestDamageFlipsOneByte(t *testing.T) {
	p, near, far := through(t)
	p.Damage(Up, 3)
	say(t, near, "abcabc")
	requireHears(t, far, "ab"+string(rune('c'^0x10))+"abc")
}

func TestResetIsSeenAtBothEnds(t *testing.T) {
	p, near, far := through(t)
	say(t, near, "x")
	requireHears(t, far, "x")
	p.Reset()
	for _, c := range []net.Conn{near, far} {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(30*time.Second)))
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
	}
}

func TestRefusesOtherHosts(t *testing.T) {
	_, err := open("192.0.2.1:80")
	require.ErrorContains(t, err, "not a loopback")
}

func TestBlackHoleHidesTheEnd(t *testing.T) {
	p, near, far := through(t)
	say(t, near, "x")
	requireHears(t, far, "x")
	p.BlackHole(Up)
	require.NoError(t, near.Close())
	requireSilence(t, far)
	p.Heal()
	require.NoError(t, far.SetReadDeadline(time.Now().Add(30*time.Second)))
	_, err := far.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

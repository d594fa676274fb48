package host_test

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/fdconn"
	"github.com/grafnode/grafnode/internal/refusals"
	"github.com/grafnode/grafnode/node/host"
)

// raw is a session connection without a client.
func raw(t testing.TB, socket string) *fdconn.Conn {
	c, err := net.Dial("unix", socket)
	require.NoError(t, err)
	_, err = io.WriteString(c, api.PrefaceSession)
	require.NoError(t, err)
	conn := fdconn.New(c.(*net.UnixConn), fdconn.Config{FrameMax: api.SessionFrameMax})
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { conn.Close() })
	return conn
}

func ask(t testing.TB, c *fdconn.Conn, m api.SessionMessage, files ...*os.File) (api.SessionMessage, error) {
	require.NoError(t, c.Send(m, files...))
	var answer api.SessionMessage
	got, err := c.Receive(&answer)
	for err == nil && answer.Seq == 0 && answer.Beat != nil { // news of a renewal, which nobody asked for
		answer = api.SessionMessage{}
		got, err = c.Receive(&answer)
	}
	fdconn.CloseFiles(got)
	return answer, err
}

// A connection that is closed before it says anything is a look at the socket, no refusal. One that says half of something is.
func TestProbesAreNotWorthAWarning(t *testing.T) {
	var log syncBuffer
	n := startNode(t, newCluster(), socketPath(t), 1, func(c *host.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	for range 3 {
		require.NoError(t, raw(t, n.socket).Close())
	}
	half, err := net.Dial("unix", n.socket)
	require.NoError(t, err)
	_, err = io.WriteString(half, api.PrefaceSession+"\x10")
	require.NoError(t, err)
	require.NoError(t, half.Close())
	refused := func() int { return strings.Count(log.String(), " err=") }
	require.Eventually(t, func() bool { return refused() > 0 }, patience, time.Millisecond)
	n.stop()
	require.Equal(t, 1, refused(), log.String())
}

// Nor is one that this node closes, because it stops, before it has said anything.
func TestStoppingRefusesNobody(t *testing.T) {
	var log syncBuffer
	n := startNode(t, newCluster(), socketPath(t), 1, func(c *host.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	silent, err := net.Dial("unix", n.socket)
	require.NoError(t, err)
	defer silent.Close()
	_, err = io.WriteString(silent, api.PrefaceSession+"\x10")
	require.NoError(t, err)
	_, err = ask(t, raw(t, n.socket), api.SessionMessage{Seq: 1, Hello: &api.Hello{Stage: "s", TTL: ttl}}) // which is admitted after it
	require.NoError(t, err)
	log.Reset()
	n.stop()
	require.NotContains(t, log.String(), "refused")
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b.Reset()
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestBadHellos(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1)
	s := session(t, dial(t, n.socket, "a"))
	for name, hello := range map[string]*api.Hello{
		"none":               nil,
		"no stage":           {TTL: ttl},
		"stage with a slash": {Stage: "a/b", TTL: ttl},
		"no term":            {Stage: "a"},
		"somebody's session": {Stage: "a", TTL: ttl, Session: s.ID, Token: "guess"},
		"unknown session":    {Stage: "a", TTL: ttl, Session: "none", Token: "guess"},
	} {
		answer, err := ask(t, raw(t, n.socket), api.SessionMessage{Seq: 1, Hello: hello})
		require.NoError(t, err, name)
		require.NotNil(t, answer.Error, name)
		require.EqualValues(t, 1, answer.Seq, name)
	}
	select {
	case <-s.Lost:
		t.Fatal("somebody else's bad hello ended a session")
	default:
	}
}

// What a session says about rings that it does not have does nothing.
func TestRequestsAboutForeignRings(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1)
	a, b := dial(t, n.socket, "a"), dial(t, n.socket, "b")
	e := c.grant("e", 1, 1, session(t, a).ID, session(t, b).ID)
	ring := attach(t, a, b, e)
	thief := raw(t, n.socket)
	answer, err := ask(t, thief, api.SessionMessage{Seq: 1, Hello: &api.Hello{Stage: "thief", TTL: ttl}})
	require.NoError(t, err)
	require.NotNil(t, answer.Welcome)

	role, arena := fabric.RoleProducer, e.Locator.Arena
	for _, m := range []api.SessionMessage{
		{Attach: &api.Attach{Edge: "e", Generation: 1, Arena: arena, Role: role}},
		{Attach: &api.Attach{Edge: "e", Generation: 1, Arena: arena, Role: "owner"}},
		{Mapped: &api.Mapped{Arena: arena, Role: role}},
		{HandBack: &api.HandBack{Edge: "e", Generation: 1, Arena: arena, Role: role, Capacity: capacity}},
	} {
		m.Seq = 2
		answer, err := ask(t, thief, m)
		require.NoError(t, err)
		require.NotNil(t, answer.Error, "%+v", m)
	}
	require.NoError(t, thief.Send(api.SessionMessage{Seq: 3, Detach: &api.Detach{Arena: arena, Role: role}}))
	answer, err = ask(t, thief, api.SessionMessage{Seq: 4, Beat: &api.Beat{}})
	require.NoError(t, err)
	require.NotNil(t, answer.Beat, "the session goes on")
	require.Equal(t, 2, n.Rings()[0].Attached)
	push(t, ring.producer, "unharmed")
	require.Equal(t, "unharmed", pop(t, ring.consumer))
}

// Something else than the ring's memory, handed back, is refused and closed.
func TestForgedHandBack(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 2)
	s := raw(t, n.socket)
	answer, err := ask(t, s, api.SessionMessage{Seq: 1, Hello: &api.Hello{Stage: "a", TTL: ttl}})
	require.NoError(t, err)
	e := c.grant("e", 1, 1, answer.Welcome.Session, "other")
	f, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer f.Close()
	before := openFiles(t)
	for range 3 {
		answer, err = ask(t, s, api.SessionMessage{Seq: 2, HandBack: &api.HandBack{
			Edge: "e", Generation: 1, Arena: e.Locator.Arena, Role: fabric.RoleProducer, Capacity: capacity,
		}}, f, f, f, f, f)
		require.NoError(t, err)
		require.NotNil(t, answer.Error)
	}
	require.Eventually(t, func() bool { return openFiles(t) == before }, patience, time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Zero(t, c.adopted)
}

// A limit that falls ends nobody's session, and holds for those who come.
func TestLimitsHoldForWhoComes(t *testing.T) {
	n := startNode(t, newCluster(), socketPath(t), 1)
	hello := api.SessionMessage{Seq: 1, Hello: &api.Hello{Stage: "s", TTL: ttl}}
	first := raw(t, n.socket)
	_, err := ask(t, first, hello)
	require.NoError(t, err)
	second := raw(t, n.socket)
	_, err = ask(t, second, hello)
	require.NoError(t, err)

	n.Limit(host.Limits{Memory: 1 << 20, SessionsMax: 1})
	_, err = raw(t, n.socket).Receive(new(api.SessionMessage))
	require.Error(t, err, "it is closed")
	for _, there := range []*fdconn.Conn{first, second} {
		answer, err := ask(t, there, api.SessionMessage{Seq: 2, Beat: &api.Beat{}})
		require.NoError(t, err)
		require.NotNil(t, answer.Beat)
	}
	_, of := n.Memory()
	require.EqualValues(t, 1<<20, of)
	n.Limit(host.Limits{Memory: 1 << 20, SessionsMax: 3})
	_, err = ask(t, raw(t, n.socket), hello)
	require.NoError(t, err)
}

// Who hands back again and again what is no ring does not fill the log.
func TestBadHandBacksAreSaidOnce(t *testing.T) {
	var log syncBuffer
	n := startNode(t, newCluster(), socketPath(t), 2, func(c *host.Config) {
		c.Logger = slog.New(refusals.New(slog.NewTextHandler(&log, nil)))
	})
	s := raw(t, n.socket)
	_, err := ask(t, s, api.SessionMessage{Seq: 1, Hello: &api.Hello{Stage: "a", TTL: ttl}})
	require.NoError(t, err)
	f, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer f.Close()
	for i := range 10 {
		answer, err := ask(t, s, api.SessionMessage{Seq: 2, HandBack: &api.HandBack{
			Edge: "e" + strconv.Itoa(i), Generation: 1, Arena: "none", Role: fabric.RoleProducer, Capacity: capacity,
		}}, f, f, f, f, f)
		require.NoError(t, err)
		require.NotNil(t, answer.Error)
	}
	require.Equal(t, 1, strings.Count(log.String(), "ring handed back is over"), log.String())
}

// Frames that are none end the connection, and the session with it.
func TestUnknownRequestEndsTheSession(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1)
	for _, m := range []any{
		api.SessionMessage{Seq: 2},
		api.SessionMessage{Seq: 2, Welcome: &api.Welcome{}},
		map[string]any{"seq": 2, "future": true},
	} {
		s := raw(t, n.socket)
		answer, err := ask(t, s, api.SessionMessage{Seq: 1, Hello: &api.Hello{Stage: "a", TTL: ttl}})
		require.NoError(t, err)
		require.NoError(t, s.Send(m))
		for err == nil { // the news of the first renewal may be under way
			_, err = s.Receive(new(api.SessionMessage))
		}
		require.ErrorIs(t, err, io.EOF)
		require.Eventually(t, func() bool { _, alive := c.Session(answer.Welcome.Session); return !alive }, patience, time.Millisecond)
	}
}

func openFiles(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

package tcp

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/tcpconn"
)

func TestSilences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Silences
		counts := func(judged, mistaken uint64) {
			t.Helper()
			j, m := s.Counts()
			require.Equal(t, []uint64{judged, mistaken}, []uint64{j, m})
		}
		s.met("slow")
		counts(0, 0)
		s.givenUp("slow", true)
		s.givenUp("cut off", false)
		s.givenUp("", true)
		counts(3, 0)
		s.met("cut off")
		s.met("")
		counts(3, 0)
		s.met("slow")
		s.met("slow")
		counts(3, 1)
		s.givenUp("slow", true)
		time.Sleep(slowFor + time.Nanosecond)
		s.met("slow")
		counts(4, 1)
		s.givenUp("one", true)
		time.Sleep(slowFor + time.Nanosecond)
		s.givenUp("other", true)
		require.Len(t, s.slow, 1, "who is long gone is forgotten")
	})
	var nobody *Silences
	nobody.givenUp("p", true)
	nobody.met("p")
}

// A process that says nothing while its kernel answers is given up, and was not gone if it is there again.
func TestWhoWasSlowIsMetAgain(t *testing.T) {
	near, far := pipe(t)
	if _, known := tcpconn.Owed(near); !known {
		t.Skip("this kernel does not tell")
	}
	var counted Silences
	attached := func(conn net.Conn) *link {
		l := newLink(conn)
		h := hostileHello(fabric.RoleConsumer)
		h.Heartbeat, h.Pulse = HeartbeatDefault, pulseName("slow")
		l.attach(h)
		l.peer, l.silences = processOf(h.Pulse), &counted
		l.join(true)
		return l
	}
	l := attached(near)
	l.tasks.Go(func() { l.receive(func(frame) error { return nil }) })
	<-l.ended
	require.ErrorContains(t, l.err(), "silent")
	l.tasks.Wait()
	judged, mistaken := counted.Counts()
	require.EqualValues(t, 1, judged)
	require.Zero(t, mistaken)
	again, _ := pipe(t)
	_ = attached(again).fail(errEnd)
	_, mistaken = counted.Counts()
	require.EqualValues(t, 1, mistaken)
	require.NoError(t, far.Close())
}

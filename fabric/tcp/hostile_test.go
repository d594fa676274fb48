package tcp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/inproc"
)

var hostileConfig = fabric.Config{Arena: "arena", Edge: "a.b", Generation: testGeneration, Capacity: fabric.CapacityMin}

func hostileHello(role fabric.Role) Hello {
	return Hello{Edge: "a.b", Generation: testGeneration, Arena: "arena", Role: role, Heartbeat: HeartbeatDefault}
}

type always struct{ fabric.Arena }

func (a always) Resolve(context.Context, Hello) (fabric.Arena, error) { return a.Arena, nil }

// hostile is a peer that is not bound to the rules: it writes what it likes.
type hostile struct {
	*testing.T
	net.Conn
	l      *link
	served chan error
}

// attack begins a session with an owner as the given role.
func attack(t *testing.T, role fabric.Role) (*hostile, fabric.Arena) {
	t.Helper()
	arena, err := inproc.New(hostileConfig)
	require.NoError(t, err)
	near, far := tcpPair(t)
	h := &hostile{T: t, Conn: near, served: make(chan error, 1)}
	go func() { h.served <- Serve(context.Background(), far, always{arena}) }()
	require.NoError(t, writeMessage(near, hostileHello(role)))
	h.l = newLink(near)
	said, err := readAnswer(&h.l.in, func() {})
	require.NoError(t, err)
	require.Equal(t, hostileConfig.Capacity, said.Capacity)
	h.l.attach(hostileHello(role))
	return h, arena
}

func tcpPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	near, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	far, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return near, far
}

func (h *hostile) say(frame []byte) {
	h.Helper()
	_, err := h.Write(frame)
	require.NoError(h, err)
}

// requireCutOff waits until the owner has said that the ring is corrupt and ended the session.
func (h *hostile) requireCutOff() {
	h.Helper()
	for {
		f, err := h.l.next()
		require.NoError(h, err)
		if f.kind == kindSeal {
			require.ErrorIs(h, decodeRefusal(f.payload), fabric.ErrCorrupt)
			break
		}
	}
	require.NoError(h, h.Close())
	require.ErrorIs(h, <-h.served, fabric.ErrCorrupt)
}

func TestOwnerCutsOffWhoBreaksTheRules(t *testing.T) {
	record := stretch(0, "")
	other := frameOf(kindRecords, 0, 0, record)
	seal(other[:headerBytes], record, kindRecords, 0, testGeneration+1, 0)
	unknown := frameOf(kindBeat, 0, 0, nil)
	unknown[atKind] = 99
	for why, c := range map[string]struct {
		role   fabric.Role
		frames [][]byte
	}{
		"gap":                {fabric.RoleProducer, [][]byte{frameOf(kindRecords, 0, 8, stretch(8, ""))}},
		"other generation":   {fabric.RoleProducer, [][]byte{other}},
		"unknown kind":       {fabric.RoleProducer, [][]byte{unknown}},
		"ack by producer":    {fabric.RoleProducer, [][]byte{frameOf(kindAck, 0, 0, nil)}},
		"record by consumer": {fabric.RoleConsumer, [][]byte{frameOf(kindRecords, 0, 0, record)}},
		"ack of the unsent":  {fabric.RoleConsumer, [][]byte{frameOf(kindAck, 0, 1, nil)}},
		"two resumes":        {fabric.RoleConsumer, [][]byte{frameOf(kindResume, 0, 0, nil), frameOf(kindResume, 0, 0, nil)}},
	} {
		t.Run(why, func(t *testing.T) {
			h, _ := attack(t, c.role)
			for _, f := range c.frames {
				h.say(f)
			}
			h.requireCutOff()
		})
	}
}

// Nobody reads the ring. The owner takes its capacity and not a record more.
func TestOwnerCutsOffWhoIgnoresCredit(t *testing.T) {
	h, arena := attack(t, fabric.RoleProducer)
	const n = 1000
	size := int(fabric.RecordBytes(n))
	within := hostileConfig.Capacity / size
	for i := range within + 1 {
		at := uint64(i * size)
		h.say(frameOf(kindRecords, 0, at, stretch(at, string(make([]byte, n)))))
	}
	h.requireCutOff()
	require.LessOrEqual(t, arena.Usage().Bytes, hostileConfig.Capacity)
	require.EqualValues(t, within, arena.Usage().Committed)
}

// A huge or absurd wish for credit gets what there is.
func TestShortOfAnything(t *testing.T) {
	h, arena := attack(t, fabric.RoleProducer)
	c, err := arena.Consumer()
	require.NoError(t, err)
	h.say(frameOf(kindRecords, 0, 0, stretch(0, "a record")))
	for _, wish := range []uint64{0, 1, 1 << 62, 1<<64 - 1} {
		h.say(frameOf(kindShort, 0, wish, nil))
	}
	for {
		if _, err = c.Next(); err == nil {
			break
		}
		require.NoError(t, c.Wait(t.Context()))
	}
	require.NoError(t, c.Ack(1, []byte("note")))
	for f := (frame{}); f.kind != kindStable; {
		f, err = h.l.next()
		require.NoError(t, err)
		if f.kind == kindCredit {
			require.LessOrEqual(t, f.number, uint64(hostileConfig.Capacity)+fabric.RecordBytes(8))
		}
	}
	h.say(frameOf(kindClose, 0, 0, nil))
	require.NoError(t, <-h.served)
}

// An owner that sends more than the ring holds is refused by the consumer before it is stored.
func TestConsumerHoldsNoMoreThanARing(t *testing.T) {
	near, far := tcpPair(t)
	l := newLink(near)
	l.attach(hostileHello(fabric.RoleConsumer))
	c := newConsumer(l, hostileConfig.Capacity).open()
	go func() { _, _ = io.Copy(io.Discard, far) }()
	record := string(make([]byte, fabric.RecordMax(hostileConfig.Capacity)))
	for at := uint64(0); ; at += fabric.RecordBytes(len(record)) {
		if _, err := far.Write(frameOf(kindRecords, 0, at, stretch(at, record))); err != nil {
			break
		}
	}
	<-l.ended
	require.ErrorIs(t, l.err(), fabric.ErrCorrupt)
	require.LessOrEqual(t, c.slabs.bytes, c.slabs.bytesMax)
	require.NoError(t, c.Close())
}

// Whoever connects and does not say what it wants is cut, and so is who leaves in the middle of it.
func TestHelloMustCome(t *testing.T) {
	for name, said := range map[string][]byte{"nothing": nil, "half": {200, 0, 0, 0, '{'}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				go func() { _, _ = near.Write(said); _, _ = io.Copy(io.Discard, near) }()
				began := time.Now()
				require.ErrorContains(t, Serve(t.Context(), far, nil), "timeout")
				require.Equal(t, helloTimeout, time.Since(began))
				require.NoError(t, near.Close())
			})
		})
	}
	for name, said := range map[string][]byte{"too long": {255, 255, 255, 255}, "no JSON": {1, 0, 0, 0, 'x'}, "no fields": {2, 0, 0, 0, '{', '}'}} {
		t.Run(name, func(t *testing.T) {
			near, far := net.Pipe()
			go func() { _, _ = near.Write(said) }()
			served := make(chan error, 1)
			go func() { served <- Serve(t.Context(), far, nil) }()
			_, err := readAnswer(near, func() {})
			require.ErrorContains(t, err, "hello")
			require.Error(t, <-served)
			require.NoError(t, near.Close())
		})
	}
}

// Silence is judged to the beat, and a peer that only shows life is borne for ever.
func TestSilenceIsThreeBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arena, err := inproc.New(hostileConfig)
		require.NoError(t, err)
		near, far := net.Pipe()
		served := make(chan error, 1)
		go func() { served <- Serve(t.Context(), far, always{arena}) }()
		require.NoError(t, writeMessage(near, hostileHello(fabric.RoleConsumer)))
		_, err = readAnswer(near, func() {})
		require.NoError(t, err)
		go func() { _, _ = io.Copy(io.Discard, near) }()
		for range 100 {
			time.Sleep(2 * HeartbeatDefault)
			_, err := near.Write(frameOf(kindBeat, 0, 0, nil))
			require.NoError(t, err)
		}
		last := time.Now()
		require.ErrorIs(t, <-served, fabric.ErrDisconnected)
		require.GreaterOrEqual(t, time.Since(last), MissedDefault*HeartbeatDefault)
		require.LessOrEqual(t, time.Since(last), (MissedDefault+1)*HeartbeatDefault)
		require.NoError(t, near.Close())
	})
}

// Nothing to say for an hour is no silence.
func TestIdleConnectionStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arena, err := inproc.New(hostileConfig)
		require.NoError(t, err)
		near, far := net.Pipe()
		served := make(chan error, 1)
		go func() { served <- Serve(t.Context(), far, always{arena}) }()
		require.NoError(t, writeMessage(near, hostileHello(fabric.RoleProducer)))
		l := newLink(near)
		said, err := readAnswer(&l.in, func() {})
		require.NoError(t, err)
		l.attach(hostileHello(fabric.RoleProducer))
		l.join(false)
		p := newProducer(l, said.Capacity).open()

		time.Sleep(time.Hour)
		_, err = p.Claim(1)
		require.NoError(t, err)
		require.NoError(t, p.Commit())
		require.NoError(t, p.Close())
		require.NoError(t, <-served)
		require.Zero(t, arena.Usage().Committed, "it was not flushed")
	})
}

// A wish for credit that has been granted is forgotten: the owner does not go on waking up for room that nobody waits for.
func TestGrantedWishIsForgotten(t *testing.T) {
	arena, err := inproc.New(hostileConfig)
	require.NoError(t, err)
	ring, err := arena.Producer()
	require.NoError(t, err)
	c, err := arena.Consumer()
	require.NoError(t, err)
	e := newProducerEnd(linkOver(&wire{}), arena, ring.(writeEnd))
	record := string(make([]byte, 8184)) // eight of which fill the ring
	for at := uint64(0); at < 1<<16; at += 8192 {
		take(linkTo(e, frameOf(kindRecords, 0, at, stretch(at, record))), e.handle)
	}
	take(linkTo(e, frameOf(kindShort, 0, 1<<16+16, nil)), e.handle)
	_, err = c.Next()
	require.NoError(t, err)
	require.NoError(t, c.Ack(1, nil))
	require.NoError(t, ring.Wait(t.Context()), "there is room")
	require.NoError(t, e.tell())
	require.GreaterOrEqual(t, e.granted, uint64(1<<16+16))
	_, err = c.Next()
	require.NoError(t, err)
	require.NoError(t, c.Ack(2, nil))
	enough := errors.New("slept long enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, enough)
	defer cancel()
	require.ErrorIs(t, ring.Wait(ctx), enough)
}

// linkTo returns e's link with raw to read.
func linkTo(e *producerEnd, raw []byte) *link {
	e.l.in = intake{from: bytes.NewReader(raw)}
	return e.l
}

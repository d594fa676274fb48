package ring

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
)

// countingBell counts how often it is rung.
type countingBell struct {
	Bell
	rung atomic.Int64
}

func (b *countingBell) Ring(kind uint64) {
	b.rung.Add(1)
	b.Bell.Ring(kind)
}

// sleeper is a producer that sleeps, and a consumer whose rings are counted.
type sleeper struct {
	*testing.T
	words *ProducerWords
	p     *Producer
	c     *Consumer
	rung  *atomic.Int64
	read  uint64
	ended chan error
}

func newSleeper(t *testing.T) *sleeper {
	r := newParts()
	setup := r.setup()
	p := NewProducer(setup, &r.producer, r.data)
	BindProducer(p, &r.consumer)
	p.SetMode(fabric.Thrifty)
	bell := &countingBell{Bell: setup.Own.(chanEvent)}
	theirs := r.setup()
	theirs.Peer = bell
	c := NewConsumer(theirs, &r.consumer)
	BindConsumer(c, &r.producer, r.data)
	return &sleeper{T: t, words: &r.producer, p: p, c: c, rung: &bell.rung, ended: make(chan error, 1)}
}

// sleep has the producer wait, and returns once its waiting word says so.
func (s *sleeper) sleep(flags uint64) {
	go func() { s.ended <- s.p.Wait(context.Background()) }()
	s.sleeps(flags)
}

func (s *sleeper) sleeps(flags uint64) {
	for s.words.Waiting.Load()&(sleeps|deafness) != flags {
		runtime.Gosched()
	}
}

// ack reads and acknowledges all there is.
func (s *sleeper) ack(note []byte) {
	require.NoError(s, s.p.Flush())
	for {
		if _, err := s.c.Next(); err != nil {
			break
		}
		s.read++
	}
	require.NoError(s, s.c.Ack(s.read, note))
}

func (s *sleeper) send() error {
	_, err := s.p.Claim(1 << 10)
	if err == nil {
		err = s.p.Commit()
	}
	return err
}

// fill takes all the room that there is.
func (s *sleeper) fill() {
	var err error
	for err == nil {
		err = s.send()
	}
	require.ErrorIs(s, err, fabric.ErrFull)
}

// TestDeafProducer has a sleeping producer spared what it does not care for, and woken by the rest.
func TestDeafProducer(t *testing.T) {
	s := newSleeper(t)
	s.p.Heed(false)
	s.sleep(sleeps | toAcks)
	require.NoError(t, s.send())
	s.ack([]byte("note"))
	require.Zero(t, s.rung.Load(), "it does not care for notes")
	require.NoError(t, s.c.WantMove())
	require.NoError(t, <-s.ended, "it does for this")
	require.Equal(t, int64(1), s.rung.Load())

	s.sleep(sleeps | toAcks)
	s.p.Heed(true)
	require.NoError(t, <-s.ended, "now the note is news")
	_, ok, err := s.p.Stable()
	require.NoError(t, err)
	require.True(t, ok)

	s.p.Heed(false)
	s.sleep(sleeps | toAcks)
	s.fill()
	s.sleeps(sleeps)
	s.ack([]byte("note"))
	require.NoError(t, <-s.ended, "it cares for room that it did not find")
	require.NoError(t, s.send())
}

// TestRoomForNobody has a sleeping producer spared acks while it lacks no room.
func TestRoomForNobody(t *testing.T) {
	s := newSleeper(t)
	s.sleep(sleeps | toRoom)
	require.NoError(t, s.send())
	s.ack(nil)
	require.Zero(t, s.rung.Load(), "it has room")
	s.ack([]byte("note"))
	require.NoError(t, <-s.ended, "a note is news")
	require.Equal(t, int64(1), s.rung.Load())
	_, ok, err := s.p.Stable()
	require.NoError(t, err)
	require.True(t, ok)

	s.sleep(sleeps | toRoom)
	s.fill()
	s.sleeps(sleeps)
	s.ack(nil)
	require.NoError(t, <-s.ended, "it has lacked this")
	require.NoError(t, s.send())
}

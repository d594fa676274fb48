package ring

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/fabric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// chanEvent is the least Event.
type chanEvent chan struct{}

func (e chanEvent) Signal() {
	select {
	case e <- struct{}{}:
	default:
	}
}

func (e chanEvent) Ring(uint64) { e.Signal() }

func (e chanEvent) Park(timeout time.Duration, look func(kind uint64) bool) {
	for !look(InPoller) {
		<-e
	}
}

// parts is a ring's memory, and what was called on it.
type parts struct {
	config   fabric.Config
	control  Control
	producer ProducerWords
	consumer ConsumerWords
	data     []byte
	released int
}

func newParts() *parts {
	return &parts{
		config: fabric.Config{Arena: "a", Edge: "e", Generation: 7, Capacity: fabric.CapacityMin},
		data:   make([]byte, DataBytes(fabric.CapacityMin)),
	}
}

func (r *parts) setup() Setup {
	return Setup{
		Config:  r.config,
		Control: &r.control,
		Own:     make(chanEvent, 1),
		Peer:    make(chanEvent, 1),
		Release: func() { r.released++ },
	}
}

// TestReleaseWaitsForClaim shows that the memory stays while a claim is open, and is given back once.
func TestReleaseWaitsForClaim(t *testing.T) {
	r := newParts()
	p := NewProducer(r.setup(), &r.producer, r.data)
	_, err := p.Claim(8)
	require.NoError(t, err)
	require.NoError(t, p.Close())
	require.Zero(t, r.released)
	p.Abort()
	require.Equal(t, 1, r.released)
	p.Abort()
	require.NoError(t, p.Close())
	_, err = p.Claim(8)
	require.ErrorIs(t, err, fabric.ErrClosed)
	require.Equal(t, 1, r.released)
}

// TestTwoWaits has the calls' own goroutine waiting beside the other one that may: news wake both.
func TestTwoWaits(t *testing.T) {
	r := newParts()
	c := NewConsumer(r.setup(), &r.consumer)
	BindConsumer(c, &r.producer, r.data)
	_, err := c.Next()
	require.ErrorIs(t, err, fabric.ErrEmpty)
	ended := make(chan error)
	for range 2 {
		go func() { ended <- c.Wait(context.Background()) }()
	}
	r.producer.Tail.Store(8)
	c.setup.Own.Signal()
	require.NoError(t, <-ended)
	require.NoError(t, <-ended)

	// One that waits for its turn obeys its context too.
	r.producer.Tail.Store(0)
	go func() { ended <- c.Wait(context.Background()) }()
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() { ended <- c.Wait(ctx) }()
	why := errors.New("why")
	cancel(why)
	require.ErrorIs(t, <-ended, why)
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-ended, fabric.ErrClosed)
}

// TestWakesOncePerSleep counts the signals that a producer sends to a sleeping consumer.
func TestWakesOncePerSleep(t *testing.T) {
	r := newParts()
	setup := r.setup()
	signals := make(chanEvent, 10)
	setup.Peer = signals
	p := NewProducer(setup, &r.producer, r.data)
	BindProducer(p, &r.consumer)
	push := func() {
		_, err := p.Claim(1)
		require.NoError(t, err)
		require.NoError(t, p.Commit())
		require.NoError(t, p.Flush())
	}
	push()
	require.Empty(t, signals, "nobody sleeps")
	r.consumer.Waiting.Store(InPoller)
	push()
	push()
	require.Len(t, signals, 1)
	r.consumer.Waiting.Store(nextLook | InFutex) // woken, looked, sleeps again
	push()
	require.Len(t, signals, 2)
	r.consumer.Waiting.Store(nextLook)
	push()
	require.Len(t, signals, 2)
}

func TestCommitPublishesByItself(t *testing.T) {
	r := newParts()
	p := NewProducer(r.setup(), &r.producer, r.data)
	for range 100 {
		_, err := p.Claim(1000)
		if errors.Is(err, fabric.ErrFull) {
			break
		}
		require.NoError(t, p.Commit())
		require.Less(t, p.batch.At-r.producer.Tail.Load(), uint64(fabric.PublishBytes))
	}
	require.Equal(t, p.batch.At, r.producer.Tail.Load(), "a full ring shows all there is")
}

// FuzzNext reads a ring that anybody may have written.
func FuzzNext(f *testing.F) {
	r := newParts()
	p := NewProducer(r.setup(), &r.producer, r.data)
	b, err := p.Begin()
	if err != nil {
		f.Fatal(err)
	}
	for n := range 10 {
		if _, err := b.Claim(n / 3 * 10); err != nil {
			f.Fatal(err)
		}
		if err := b.Commit(); err != nil {
			f.Fatal(err)
		}
	}
	if err := b.End(); err != nil {
		f.Fatal(err)
	}
	f.Add(p.batch.At, r.data[:p.batch.At])
	f.Add(uint64(8), binary.LittleEndian.AppendUint64(nil, fabric.Header(fabric.Seed(7), 0, 1<<31, 1)))
	f.Add(uint64(fabric.CapacityMin), binary.LittleEndian.AppendUint64(nil, fabric.Header(fabric.Seed(7), 0, 0, fabric.RowMax)))
	f.Add(uint64(fabric.CapacityMin), binary.LittleEndian.AppendUint64(nil, fabric.Header(fabric.Seed(7), 0, 1000, fabric.RowMax)))
	f.Add(uint64(1<<63), []byte("garbage"))
	f.Fuzz(func(t *testing.T, tail uint64, content []byte) {
		r := newParts()
		copy(r.data, content)
		r.producer.Tail.Store(tail)
		c := NewConsumer(r.setup(), &r.consumer)
		BindConsumer(c, &r.producer, r.data)
		total := 0
		for i := uint64(1); ; i++ {
			var b []byte
			var err error
			switch i % 3 {
			case 0:
				b, err = c.Next()
			case 1:
				_, err = c.Drain(1, func(lent []byte) error { b = lent; return nil })
			default:
				var row fabric.Records
				if row, err = c.Peek(); err == nil {
					b = row.At(row.N - 1)
					c.Skip(row.N)
					total += (row.N - 1) * row.Stride
				}
			}
			if err != nil {
				require.True(t, errors.Is(err, fabric.ErrEmpty) || errors.Is(err, fabric.ErrCorrupt), "%v", err)
				return
			}
			total += len(b)
			require.LessOrEqual(t, total, r.config.Capacity)
			require.LessOrEqual(t, len(b), fabric.RecordMax(r.config.Capacity))
		}
	})
}

// TestHold shows that what is held back is published when the consumer asks, and that it need not ask for what it waits for.
func TestHold(t *testing.T) {
	r := newParts()
	setup, toProducer, toConsumer := r.setup(), make(chanEvent, 1), make(chanEvent, 1)
	setup.Own, setup.Peer = toProducer, toConsumer
	p := NewProducer(setup, &r.producer, r.data)
	setup.Own, setup.Peer = toConsumer, toProducer
	c := NewConsumer(setup, &r.consumer)
	BindConsumer(c, &r.producer, r.data)
	b, err := p.Begin()
	require.NoError(t, err)
	commit := func() {
		_, err := b.Claim(8)
		require.NoError(t, err)
		require.NoError(t, b.Commit())
	}
	commit()
	require.False(t, b.Hold(), "there is no consumer that could ask")
	BindProducer(p, &r.consumer)
	require.False(t, b.Hold(), "the consumer waits for its first record")
	require.NoError(t, b.Flush())
	commit()
	require.True(t, b.Hold())
	commit()
	require.True(t, b.Hold())

	_, err = c.Next()
	require.NoError(t, err)
	_, err = c.Next()
	require.ErrorIs(t, err, fabric.ErrEmpty)
	waited := make(chan error)
	go func() { waited <- c.Wait(t.Context()) }()
	require.NoError(t, p.Wait(t.Context()), "the consumer asks")
	require.NoError(t, b.Flush())
	require.NoError(t, <-waited)
	for range 2 {
		_, err = c.Next()
		require.NoError(t, err)
	}
	require.False(t, p.hasNews(), "it has what it asked for")

	_, err = c.Next()
	require.ErrorIs(t, err, fabric.ErrEmpty)
	require.False(t, c.hasNews())
	commit()
	require.False(t, b.Hold(), "it waits already")
	require.NoError(t, b.End())
}

// TestHoldLosesNothing has a producer that never flushes but when it is told to.
func TestHoldLosesNothing(t *testing.T) {
	const records = 10_000
	r := newParts()
	setup, toProducer, toConsumer := r.setup(), make(chanEvent, 1), make(chanEvent, 1)
	setup.Own, setup.Peer = toProducer, toConsumer
	p := NewProducer(setup, &r.producer, r.data)
	setup.Own, setup.Peer = toConsumer, toProducer
	c := NewConsumer(setup, &r.consumer)
	BindConsumer(c, &r.producer, r.data)
	BindProducer(p, &r.consumer)
	ended := make(chan error, 1)
	go func() { ended <- produceHeld(t.Context(), p, records) }()
	for n := uint64(0); n < records; {
		_, err := c.Next()
		if errors.Is(err, fabric.ErrEmpty) {
			require.NoError(t, c.Ack(n, nil))
			require.NoError(t, c.Wait(t.Context()))
			continue
		}
		require.NoError(t, err)
		n++
	}
	require.NoError(t, c.Ack(records, []byte("all")))
	require.NoError(t, <-ended)
}

func produceHeld(ctx context.Context, p *Producer, records int) error {
	b, err := p.Begin()
	if err != nil {
		return err
	}
	defer b.End()
	for n := 0; ; {
		_, err := b.Claim(8)
		if n == records || errors.Is(err, fabric.ErrFull) {
			b.Abort()
			if _, all, err := p.Stable(); all || err != nil {
				return err
			}
			if err := p.Wait(ctx); err != nil {
				return err
			}
			if err := b.Flush(); err != nil {
				return err
			}
			continue
		}
		if err == nil {
			err = b.Commit()
		}
		if err != nil {
			return err
		}
		if n++; !b.Hold() {
			if err := b.Flush(); err != nil {
				return err
			}
		}
	}
}

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

// TestDeafProducer has a sleeping producer spared what it does not care for, and woken by the rest.
func TestDeafProducer(t *testing.T) {
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

	ended := make(chan error, 1)
	sleep := func(flags uint64) {
		go func() { ended <- p.Wait(context.Background()) }()
		for r.producer.Waiting.Load()&(sleeps|deaf) != flags {
			runtime.Gosched()
		}
	}
	read := uint64(0)
	ack := func() {
		require.NoError(t, p.Flush())
		for {
			if _, err := c.Next(); err != nil {
				break
			}
			read++
		}
		require.NoError(t, c.Ack(read, []byte("note")))
	}
	send := func() error {
		_, err := p.Claim(1 << 10)
		if err == nil {
			err = p.Commit()
		}
		return err
	}

	p.Heed(false)
	sleep(sleeps | deaf)
	require.NoError(t, send())
	ack()
	require.Zero(t, bell.rung.Load(), "it does not care for notes")
	require.NoError(t, c.WantMove())
	require.NoError(t, <-ended, "it does for this")
	require.Equal(t, int64(1), bell.rung.Load())

	sleep(sleeps | deaf)
	p.Heed(true)
	require.NoError(t, <-ended, "now the note is news")
	_, ok, err := p.Stable()
	require.NoError(t, err)
	require.True(t, ok)

	p.Heed(false)
	sleep(sleeps | deaf)
	for err == nil {
		err = send()
	}
	require.ErrorIs(t, err, fabric.ErrFull)
	for r.producer.Waiting.Load()&(sleeps|deaf) != sleeps {
		runtime.Gosched()
	}
	ack()
	require.NoError(t, <-ended, "it cares for room that it did not find")
	require.NoError(t, send())
}

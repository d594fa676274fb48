package shm

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
)

func TestFabric(t *testing.T) {
	fabrictest.Run(t, func(t testing.TB, cfg fabric.Config) fabrictest.Pair {
		a, evil := newSpoiled(t, cfg)
		pair := fabrictest.Local(a)
		pair.Damage = evil.damage()
		return pair
	})
}

func BenchmarkFabric(b *testing.B) {
	fabrictest.Benchmarks(b, func(t testing.TB, cfg fabric.Config) fabrictest.Pair {
		a, err := New(cfg)
		require.NoError(t, err)
		return fabrictest.Local(a)
	})
}

// spoiler has writable views of both sides' parts, taken before their holders sealed them: it plays a hostile side.
type spoiler struct{ producer, consumer mapping }

func newSpoiled(t testing.TB, cfg fabric.Config) (*Arena, spoiler) {
	a, err := New(cfg)
	require.NoError(t, err)
	var s spoiler
	s.producer, err = mapRing(a.parts.Producer, cfg.Capacity, readWrite)
	require.NoError(t, err)
	s.consumer, err = mapBytes(a.parts.Consumer, consumerBytes(), readWrite)
	require.NoError(t, err)
	t.Cleanup(func() {
		s.producer.unmap()
		s.consumer.unmap()
	})
	return a, s
}

func (s spoiler) damage() []fabrictest.Damage {
	words, notes := s.producer.producer(), s.consumer.consumer()
	consumer := func(name string, do func()) fabrictest.Damage {
		return fabrictest.Damage{Name: name, Victim: fabric.RoleConsumer, Do: do}
	}
	producer := func(name string, do func()) fabrictest.Damage {
		return fabrictest.Damage{Name: name, Victim: fabric.RoleProducer, Do: do}
	}
	return []fabrictest.Damage{
		consumer("tail-beyond-capacity", func() { words.Tail.Add(fabric.CapacityMin) }),
		consumer("tail-huge", func() { words.Tail.Store(^uint64(7)) }),
		consumer("tail-misaligned", func() { words.Tail.Add(4) }),
		consumer("tail-without-record", func() { words.Tail.Add(8) }),
		consumer("tail-within-record", func() { words.Tail.Store(words.Tail.Load() - 8) }),
		consumer("header-zero", func() { clear(s.producer.data()[:8]) }),
		consumer("header-length", func() { s.producer.data()[0]++ }),
		consumer("header-length-huge", func() { s.producer.data()[3] = 0xFF }),
		consumer("second-header", func() { s.producer.data()[108] ^= 0x80; s.producer.data()[112] ^= 1 }),
		producer("acked-not-published", func() { notes.Acked.Add(fabric.CapacityMin - 8) }),
		producer("acked-misaligned", func() { notes.Acked.Add(1) }),
		producer("acked-huge", func() { notes.Acked.Store(^uint64(7)) }),
		producer("stable-without-note", func() { notes.Stable.Store(7) }),
	}
}

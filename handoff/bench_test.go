package handoff_test

import (
	"testing"

	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// BenchmarkSender is one item's way through a Sender: pushed, written, and, 1,000 at a time, acknowledged.
func BenchmarkSender(b *testing.B) {
	for name, check := range map[string]handoff.Check{"all": handoff.CheckAll, "header": handoff.CheckHeader} {
		b.Run(name, func(b *testing.B) {
			var s handoff.Sender
			s.SetCheck(check)
			s.Bind(1)
			if err := s.Resume(position.Vector{}); err != nil {
				b.Fatal(err)
			}
			payload, record := make([]byte, 64), make([]byte, 64+handoff.HeaderBytes)
			for i := uint64(1); b.Loop(); i++ {
				at := position.Position{Offset: i}
				if err := s.Push(handoff.Entry{Pos: at, Kind: handoff.Item, Payload: append(s.Room(64), payload...)}); err != nil {
					b.Fatal(err)
				}
				e, seq := s.Next()
				s.Write(record, e, seq)
				s.Sent()
				if i%1000 == 0 {
					s.Ack(position.VectorOf(at))
				}
			}
		})
	}
}

// BenchmarkReceiver is one record's way through a Receiver: accepted, and, 64 at a time, acknowledged.
func BenchmarkReceiver(b *testing.B) {
	for name, check := range map[string]handoff.Check{"all": handoff.CheckAll, "header": handoff.CheckHeader} {
		b.Run(name, func(b *testing.B) {
			var s handoff.Sender
			s.SetCheck(check)
			s.Bind(1)
			r := handoff.NewReceiver(position.Vector{}, true)
			r.Bind(1)
			out := handoff.Entry{Kind: handoff.Item, Payload: make([]byte, 64)}
			record := make([]byte, out.Size())
			var e handoff.Entry
			for i := uint64(1); b.Loop(); i++ {
				out.Pos.Offset = i
				s.Write(record, &out, i) // is in the figure, and in BenchmarkSender's
				if _, err := r.Accept(record, &e); err != nil {
					b.Fatal(err)
				}
				if i%64 == 0 {
					if err := r.Ack(e.Pos); err != nil {
						b.Fatal(err)
					}
					r.Settle()
				}
			}
		})
	}
}

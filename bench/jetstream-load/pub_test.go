package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// silent is a future that nobody answers.
type silent struct{ jetstream.PubAckFuture }

func (silent) Ok() <-chan *jetstream.PubAck { return nil }
func (silent) Err() <-chan error            { return nil }

// counting counts what is published again.
type counting struct {
	jetstream.JetStream
	n int
}

func (c *counting) PublishMsg(context.Context, *nats.Msg, ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	c.n++
	return &jetstream.PubAck{}, nil
}

// A leader that dies takes the answers to all that is under way with it: they are missed together, not one after the other.
func TestAnswersThatADeadLeaderOwesAreMissedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, js, window := time.Now(), &counting{}, make(chan sent, pending)
		for range pending {
			window <- sent{&nats.Msg{}, silent{}, began.Add(ackWait)}
		}
		close(window)
		if err := await(t.Context(), js, window); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); js.n != pending || took != ackWait {
			t.Errorf("%d of %d were published again, in %v", js.n, pending, took)
		}
	})
}

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	tick      = time.Millisecond
	pending   = 256                    // messages without an acknowledgement
	ackWait   = time.Second            // for one, from when it was published; then it is published again
	lookEvery = 100 * time.Millisecond // who leads
)

// sent is a message that waits for its acknowledgement.
type sent struct {
	msg    *nats.Msg
	future jetstream.PubAckFuture // nil: it was refused at once
	late   time.Time              // when its acknowledgement is
}

// publish publishes items at a rate until ctx ends, and then waits until all are acknowledged. One that is not in time is published
// again, under the same ID, by which the stream knows repeats.
func publish(ctx context.Context, js jetstream.JetStream, t task, out *json.Encoder) error {
	alive := context.WithoutCancel(ctx)
	var stream jetstream.Stream
	err := again(ctx, func(ctx context.Context) (err error) {
		stream, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: t.Stream, Subjects: []string{t.Stream}, Replicas: replicas,
			Storage: jetstream.FileStorage})
		return err
	})
	if err != nil {
		return err
	}
	looking, stop := context.WithCancel(ctx)
	defer stop()
	go look(looking, stream, out)
	window := make(chan sent, pending)
	acked := make(chan error, 1)
	go func() { acked <- await(alive, js, window) }()
	began, next := time.Now(), uint64(0)
	for ctx.Err() == nil {
		for due := uint64(time.Since(began).Seconds() * t.Rate); next < due && ctx.Err() == nil; {
			next++
			m := message(t.Stream, next)
			f, err := js.PublishMsgAsync(m) // an error is tried again, as a missing acknowledgement is
			if err != nil {
				f = nil
			}
			window <- sent{m, f, time.Now().Add(ackWait)}
		}
		time.Sleep(tick)
	}
	close(window)
	if err := <-acked; err != nil {
		return err
	}
	return out.Encode(news{At: now(), What: "ended", Items: next})
}

// message makes the item of a number.
func message(subject string, number uint64) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Data = make([]byte, itemBytes)
	binary.LittleEndian.PutUint64(m.Data, number)
	binary.LittleEndian.PutUint64(m.Data[8:], uint64(now()))
	m.Header.Set(jetstream.MsgIDHeader, strconv.FormatUint(number, 10))
	return m
}

// await waits for acknowledgements, one message after the other. All that a dead leader had are late at the same time, so to try them again takes
// no longer than their number of round trips.
func await(ctx context.Context, js jetstream.JetStream, window <-chan sent) error {
	for s := range window {
		if s.future != nil {
			select {
			case <-s.future.Ok():
				continue
			case <-s.future.Err():
			case <-time.After(time.Until(s.late)):
			}
		}
		if err := again(ctx, func(ctx context.Context) error {
			_, err := js.PublishMsg(ctx, s.msg)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// look tells who leads the stream and how many replicas are up to date, when that changes.
func look(ctx context.Context, stream jetstream.Stream, out *json.Encoder) {
	var last news
	for ctx.Err() == nil {
		is := news{What: "cluster"}
		try, cancel := context.WithTimeout(ctx, time.Second)
		if info, err := stream.Info(try); err == nil && info.Cluster != nil {
			is.Leader = info.Cluster.Leader
			for _, r := range info.Cluster.Replicas {
				if r.Current && !r.Offline {
					is.Items++
				}
			}
		}
		cancel()
		if is != last {
			last = is
			is.At = now()
			if out.Encode(is) != nil {
				return
			}
		}
		time.Sleep(lookEvery)
	}
}

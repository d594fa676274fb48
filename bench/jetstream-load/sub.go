package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/nats-io/nats.go/jetstream"
)

// consume commits each item to the ledger and then acknowledges it, until ctx ends.
func consume(ctx context.Context, js jetstream.JetStream, t task) error {
	ledger, err := net.Dial("unix", t.Ledger)
	if err != nil {
		return err
	}
	defer ledger.Close()
	var c jetstream.Consumer
	err = again(ctx, func(ctx context.Context) (err error) {
		c, err = js.CreateOrUpdateConsumer(ctx, t.Stream, jetstream.ConsumerConfig{Durable: "sink", AckPolicy: jetstream.AckExplicitPolicy})
		return err
	})
	if err != nil {
		return err
	}
	messages, err := c.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	context.AfterFunc(ctx, messages.Stop)
	for {
		m, err := messages.Next()
		switch {
		case errors.Is(err, jetstream.ErrMsgIteratorClosed):
			return nil
		case err != nil:
			continue // a missing heartbeat, as while there is no leader: the iterator goes on by itself
		}
		if err := commit(ledger, m.Data()); err != nil {
			return err
		}
		_ = m.Ack() // without the server it comes again, and is counted
	}
}

// commit commits one item: epoch, number, count, when it was published; the answer is the number.
func commit(ledger net.Conn, item []byte) error {
	var b [32]byte
	if len(item) != itemBytes {
		return fmt.Errorf("an item of %d bytes", len(item))
	}
	copy(b[8:], item[:8])
	binary.LittleEndian.PutUint64(b[16:], 1)
	copy(b[24:], item[8:16])
	if _, err := ledger.Write(b[:]); err != nil {
		return err
	}
	_, err := io.ReadFull(ledger, b[:8])
	return err
}

// Command nats-load is one end of grafnode's data-plane benchmark over NATS core, publish to subscribe. NATS drops what a subscriber
// is too slow for, so the publisher keeps a window: the subscriber says now and then how far it is.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/grafnode/grafnode/internal/benchmark/flow"
)

func main() {
	if err := flow.Main(os.Args[1:], os.NewFile(3, "pipe"), open); err != nil {
		fmt.Fprintln(os.Stderr, "nats-load:", err)
		os.Exit(1)
	}
}

const (
	subjectRecords = "bench.records"
	subjectCredit  = "bench.credit"

	// windowBytes is how much may be on its way: enough that nobody waits for credit, little enough that nothing is dropped.
	windowBytes = 8 << 20
	// patience is how long the server, or the other end, may be silent.
	patience = 30 * time.Second
)

// link publishes on one subject and is subscribed to another.
type link struct {
	conn   *nats.Conn
	in     *nats.Subscription
	out    string
	begins bool
	buffer []byte
	window uint64 // records
	sent   uint64
	read   uint64
	credit uint64 // how many the other end has read, as far as is known
}

func open(begins bool, address string, l flow.Load) (flow.Link, error) {
	conn, err := dial(address)
	if err != nil {
		return nil, err
	}
	k := &link{conn: conn, begins: begins, buffer: make([]byte, l.Bytes), window: max(16, uint64(windowBytes/l.Bytes)), out: subjectCredit}
	from := subjectRecords
	if begins {
		k.out, from = subjectRecords, subjectCredit
	}
	if k.in, err = conn.SubscribeSync(from); err != nil {
		return nil, err
	}
	if err := k.in.SetPendingLimits(-1, -1); err != nil {
		return nil, err
	}
	if err := conn.Flush(); err != nil {
		return nil, err
	}
	return k, k.meet()
}

func dial(address string) (conn *nats.Conn, err error) {
	for began := time.Now(); time.Since(began) < patience; time.Sleep(5 * time.Millisecond) {
		if conn, err = nats.Connect(address); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// meet waits until the subscriber is there. It says so until the first record comes.
func (k *link) meet() error {
	if k.begins {
		_, err := k.in.NextMsg(patience)
		return err
	}
	for began := time.Now(); time.Since(began) < patience; {
		if err := k.sayCredit(); err != nil {
			return err
		}
		if pending, _, err := k.in.Pending(); err != nil || pending > 0 {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("no publisher after %v", patience)
}

func (k *link) sayCredit() error {
	if err := k.conn.Publish(subjectCredit, binary.LittleEndian.AppendUint64(nil, k.read)); err != nil {
		return err
	}
	return k.conn.Flush()
}

// Claim waits for the window.
func (k *link) Claim(int) ([]byte, error) {
	for k.begins && k.sent >= k.credit+k.window {
		m, err := k.in.NextMsg(patience)
		if err != nil {
			return nil, fmt.Errorf("%d sent, %d read: %w", k.sent, k.credit, err)
		}
		k.credit = max(k.credit, binary.LittleEndian.Uint64(m.Data))
	}
	return k.buffer, nil
}

func (k *link) Commit() error {
	k.sent++
	return k.conn.Publish(k.out, k.buffer)
}

// Flush leaves it to the client when to write, which is what it is made for. Round trips are not measured here.
func (k *link) Flush() error { return nil }

func (k *link) Next(n int) ([]byte, error) {
	for {
		m, err := k.in.NextMsg(patience)
		switch {
		case err != nil:
			return nil, err
		case len(m.Data) != n:
			continue // credit; a record is longer
		}
		if k.read++; !k.begins && k.read%(k.window/8) == 0 {
			if err := k.conn.Publish(subjectCredit, binary.LittleEndian.AppendUint64(nil, k.read)); err != nil {
				return nil, err
			}
		}
		return m.Data, nil
	}
}

func (k *link) Close() error {
	err := k.conn.Flush()
	k.conn.Close()
	return err
}

package tcp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/tcpconn"
)

// Attach says which side of which ring to attach, and where it is. Role is set by the function that takes it; a zero
// Heartbeat means HeartbeatDefault.
type Attach struct {
	Address string // host:port of the one TCP port of the ring's node
	Hello
	// Timeout bounds how long the node may take to answer, though it shows life, and then a way past the connection to be there; default
	// AttachTimeoutDefault. A node that shows none is given up after twice as long as afterwards, because there is more to do, and not before a second.
	Timeout time.Duration
	// TLS, if not nil, makes the connection one of TLS 1.3. An empty ServerName means Address's host.
	TLS *tls.Config `json:"-"`
	// Silences, if not nil, counts the owners that are given up for their silence.
	Silences *Silences `json:"-"`
	// Direct, if not nil, offers the owner a way for a producer's records past the connection, and past its TLS.
	Direct Direct `json:"-"`
}

// AttachTimeoutDefault is longer than an owner lets its Resolver take.
const AttachTimeoutDefault = resolveTimeout + 5*time.Second

// DialProducer attaches the writing side of a ring on another node. It blocks until the node has answered or ctx ends, which
// has no bearing on the Producer afterwards. An error for which fabric.Lost reports true means that this ring will never do;
// any other is ctx's cause or a mistake in a.
//
// Beyond the contract: Flush, and Commit when a frame is full, write to the connection and block while it is full. Close blocks
// until the owner has confirmed that it has what was flushed, or counts as silent; an error says that it has not.
func DialProducer(ctx context.Context, a Attach) (fabric.Producer, error) {
	a.Role = fabric.RoleProducer
	way := a.offer()
	l, said, err := dial(ctx, a)
	if err != nil {
		if way != nil {
			way.Close()
		}
		return nil, err
	}
	l.join(false) // also for as long as it takes to set up a way
	p, err := a.carry(ctx, l, way, said)
	if err != nil {
		_ = l.fail(err)
		l.tasks.Wait()
		l.in.giveBack()
		return nil, err
	}
	return p, nil
}

// DialConsumer attaches the reading side of a ring on another node. See DialProducer.
//
// Beyond the contract: Next and Ack do not touch the connection. Close sends the last ack and blocks like a producer's.
func DialConsumer(ctx context.Context, a Attach) (fabric.Consumer, error) {
	a.Role = fabric.RoleConsumer
	l, said, err := dial(ctx, a)
	if err != nil {
		return nil, err
	}
	return newConsumer(l, said.Capacity).open(), nil
}

func dial(ctx context.Context, a Attach) (*link, answer, error) {
	a.Heartbeat = cmp.Or(a.Heartbeat, HeartbeatDefault)
	a.Pulse = pulseName(a.Address)
	if err := a.Validate(); err != nil {
		return nil, answer{}, fmt.Errorf("attach %s: %w", a.side(), err)
	}
	l, said, err := connect(ctx, a)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return nil, answer{}, cause
	}
	if err != nil {
		return nil, answer{}, fmt.Errorf("attach %s, at %s: %w", a.side(), a.Address, disconnected(err))
	}
	return l, said, nil
}

func connect(ctx context.Context, a Attach) (*link, answer, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(a.Timeout, AttachTimeoutDefault))
	defer cancel()
	ctx, silent := context.WithCancelCause(ctx)
	defer silent(nil)
	silence := a.attachSilence()
	quiet := time.AfterFunc(silence, func() {
		silent(fmt.Errorf("%w: no word for %v while attaching", fabric.ErrDisconnected, silence))
	})
	defer quiet.Stop()
	alive := func() { quiet.Reset(silence) }
	l, said, err := attach(ctx, a, alive)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return nil, answer{}, cause
	}
	return l, said, err
}

// attach connects and greets. It calls alive whenever the node has shown life.
func attach(ctx context.Context, a Attach, alive func()) (*link, answer, error) {
	raw, err := tcpconn.Dial(ctx, a.Address, api.PrefaceData)
	if err != nil {
		return nil, answer{}, err
	}
	alive()
	conn := raw
	if a.TLS != nil {
		if conn, err = secure(ctx, raw, named(a.TLS, a.Address), tls.Client); err != nil {
			return nil, answer{}, errors.Join(err, raw.Close())
		}
		alive()
	}
	l := newLink(conn)
	said, err := greet(ctx, l, a.Hello, alive)
	if err != nil {
		l.in.giveBack()
		return nil, answer{}, errors.Join(err, conn.Close())
	}
	l.attach(a.Hello)
	l.peer, l.silences = said.Process, a.Silences
	l.name = fmt.Sprintf("%s, at %s", a.side(), a.Address)
	return l, said, nil
}

// named returns c with a server's name.
func named(c *tls.Config, address string) *tls.Config {
	if c.ServerName != "" {
		return c
	}
	c = c.Clone()
	if host, _, err := net.SplitHostPort(address); err == nil {
		c.ServerName = host
	}
	return c
}

func greet(ctx context.Context, l *link, h Hello, alive func()) (said answer, err error) {
	// What blocks here ends with ctx, by a deadline in the past.
	stop := context.AfterFunc(ctx, func() { _ = l.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := writeMessage(l.conn, h); err != nil {
		return answer{}, err
	}
	if said, err = readAnswer(&l.in, alive); err != nil {
		return answer{}, err
	}
	if !stop() {
		return answer{}, context.Cause(ctx)
	}
	return said, nil
}

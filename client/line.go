package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/fdconn"
	"github.com/grafnode/grafnode/lease"
)

// sendTimeout is how long a node may take no bytes before the line counts as broken.
const sendTimeout = 5 * time.Second

var errHungUp = errors.New("the node closed the line")

// line is one connection to the own node's session socket: requests out, replies in, matched by their number. Its
// goroutine reads until the connection breaks.
type line struct {
	conn *fdconn.Conn
	done chan struct{}      // closed when the connection is broken and the reader has ended
	over chan struct{}      // closed when the node has said, unasked, that the session has ended
	good chan lease.Instant // the newest deadline that it has told unasked

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan reply
	err     error // why the connection broke
}

// reply is an answer and the descriptors that came with it, which are the receiver's.
type reply struct {
	message api.SessionMessage
	files   []*os.File
}

// dialLine connects to a node's socket. The caller starts read.
func dialLine(ctx context.Context, socket string) (*line, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, explain(socket, err)
	}
	if err = conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err == nil {
		_, err = conn.Write([]byte(api.PrefaceSession))
	}
	if err != nil {
		conn.Close()
		return nil, explain(socket, err)
	}
	return &line{
		conn:    fdconn.New(conn.(*net.UnixConn), fdconn.Config{FrameMax: api.SessionFrameMax, SendTimeout: sendTimeout}),
		done:    make(chan struct{}),
		over:    make(chan struct{}),
		good:    make(chan lease.Instant, 1),
		waiting: map[uint64]chan reply{},
	}, nil
}

// call sends a request and waits for its reply. A reply that comes after ctx has ended is dropped and its files closed.
func (l *line) call(ctx context.Context, m api.SessionMessage, files ...*os.File) (reply, error) {
	seq, answer, err := l.expect()
	if err != nil {
		return reply{}, err
	}
	defer l.forget(seq, answer)
	m.Seq = seq
	if err := l.conn.Send(m, files...); err != nil {
		l.close()
		return reply{}, fmt.Errorf("client: own node: %w: %w", api.ErrUnavailable, err)
	}
	select {
	case r := <-answer:
		return l.judge(r)
	case <-ctx.Done():
		return reply{}, fmt.Errorf("client: own node: %w: %w", api.ErrUnavailable, context.Cause(ctx))
	case <-l.done:
		select {
		case r := <-answer: // it came just before the end
			return l.judge(r)
		default:
			return reply{}, l.broken()
		}
	}
}

func (l *line) judge(r reply) (reply, error) {
	if r.message.Error == nil {
		return r, nil
	}
	fdconn.CloseFiles(r.files)
	return reply{}, fmt.Errorf("client: own node: %w", r.message.Error)
}

// post sends a message that needs no reply.
func (l *line) post(m api.SessionMessage) error {
	if err := l.conn.Send(m); err != nil {
		l.close()
		return fmt.Errorf("client: own node: %w: %w", api.ErrUnavailable, err)
	}
	return nil
}

func (l *line) expect() (uint64, chan reply, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, nil, fmt.Errorf("client: own node: %w: %w", api.ErrUnavailable, l.err)
	}
	l.last++
	answer := make(chan reply, 1)
	l.waiting[l.last] = answer
	return l.last, answer, nil
}

func (l *line) forget(seq uint64, answer chan reply) {
	l.mu.Lock()
	delete(l.waiting, seq)
	l.mu.Unlock()
	select {
	case r := <-answer:
		fdconn.CloseFiles(r.files)
	default:
	}
}

// read takes replies to their callers until the connection breaks.
func (l *line) read() {
	defer close(l.done)
	defer l.conn.Close()
	told := false
	for {
		var m api.SessionMessage
		files, err := l.conn.Receive(&m)
		if err != nil {
			l.mu.Lock()
			l.err = fmt.Errorf("%w: %w", errHungUp, err)
			l.mu.Unlock()
			return
		}
		switch {
		case m.Seq != 0:
		case m.Error != nil && !told:
			told = true
			close(l.over)
		case m.Beat != nil:
			select {
			case <-l.good: // an older one that nobody has looked at
			default:
			}
			l.good <- m.Beat.Deadline // has room: there is no other sender
		}
		l.deliver(reply{m, files})
	}
}

func (l *line) deliver(r reply) {
	l.mu.Lock()
	defer l.mu.Unlock()
	answer, ok := l.waiting[r.message.Seq]
	if !ok {
		fdconn.CloseFiles(r.files) // its caller has given up
		return
	}
	delete(l.waiting, r.message.Seq)
	answer <- r // has room: one reply per request
}

func (l *line) broken() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Errorf("client: own node: %w: %w", api.ErrUnavailable, l.err)
}

// close breaks the connection; read ends soon.
func (l *line) close() { l.conn.Close() }

package tcp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
)

// errDeparted is a link's end when its own user closed it.
var errDeparted = errors.New("closed by this side")

// link is one end of an attached connection: frames in and out, heartbeats, and how it ended. One goroutine reads; any may
// write. Its user starts beat and the reader in tasks.
type link struct {
	conn       net.Conn
	name       string // of the side and its owner, in errors; empty at the owner, where Serve names them
	in         *bufio.Reader
	generation fence.Epoch
	beatEvery  time.Duration
	silence    time.Duration // of the peer, after which it counts as gone
	tasks      sync.WaitGroup

	out      sync.Mutex  // one frame at a time
	small    []byte      // frames that are not records are put together here; guarded by out
	outEnded bool        // nothing may be sent any more; guarded by out
	spoke    atomic.Bool // set by every write, cleared by beat

	departing atomic.Bool   // set by depart: the peer's closing is what is waited for
	ended     chan struct{} // closed by fail
	loss      atomic.Pointer[error]
	lossOnce  sync.Once
}

func newLink(conn net.Conn) *link {
	l := &link{conn: conn, ended: make(chan struct{})}
	l.in = bufio.NewReaderSize((*listener)(l), headerBytes+payloadMax)
	return l
}

// attach sets what the handshake has settled.
func (l *link) attach(h Hello) {
	l.generation, l.beatEvery = h.Generation, h.Heartbeat
	l.silence = silentBeats * h.Heartbeat
}

// fail ends the link for the reason err, unless it has ended already, and returns the reason that stands.
func (l *link) fail(err error) error {
	l.lossOnce.Do(func() {
		if l.name != "" {
			err = fmt.Errorf("%s: %w", l.name, err)
		}
		l.loss.Store(&err)
		close(l.ended)
		_ = l.conn.Close() // ends whoever is blocked on it; err says what happened
	})
	return l.err()
}

// err returns why the link has ended, or nil.
func (l *link) err() error {
	if err := l.loss.Load(); err != nil {
		return *err
	}
	return nil
}

// next returns the next frame, blocking until there is one. Its payload is valid until the next call.
func (l *link) next() (frame, error) {
	header, err := l.in.Peek(headerBytes)
	if err != nil {
		return frame{}, err
	}
	n, err := payloadLen(header)
	if err != nil {
		return frame{}, err
	}
	whole, err := l.in.Peek(headerBytes + n)
	if err != nil {
		return frame{}, err
	}
	f, err := decode(whole)
	if err != nil {
		return frame{}, err
	}
	if f.generation != l.generation {
		return frame{}, fmt.Errorf("%v frame of generation %d on a ring of generation %d: %w", f.kind, f.generation, l.generation, fabric.ErrCorrupt)
	}
	_, err = l.in.Discard(len(whole)) // no more than is buffered: whole stays as it is
	return f, err
}

// listener reads the link's connection, and takes silence for death once the handshake is over.
type listener link

func (l *listener) Read(b []byte) (int, error) {
	if l.silence == 0 {
		return l.conn.Read(b)
	}
	began := time.Now()
	n, err := l.readWithin(b, l.silence)
	if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	// It may be this process that stood still, with the peer's frames waiting in the socket: look again before judging. Who
	// was woken late did stand still, and so perhaps did the peer, if it is on this machine: give it as long again.
	again := l.beatEvery / 4
	if time.Since(began) > l.silence+again {
		again = l.silence
	}
	return l.readWithin(b, again)
}

func (l *listener) readWithin(b []byte, limit time.Duration) (int, error) {
	if err := l.conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return 0, err
	}
	return l.conn.Read(b)
}

// write sends b, a whole frame, in one system call. It blocks while the connection is full.
func (l *link) write(b []byte) error {
	l.out.Lock()
	defer l.out.Unlock()
	return l.writeLocked(b, nil)
}

// writeBoth sends one frame that lies in two places.
func (l *link) writeBoth(head, rest []byte) error {
	l.out.Lock()
	defer l.out.Unlock()
	return l.writeLocked(head, rest)
}

func (l *link) writeLocked(b, rest []byte) (err error) {
	if l.outEnded {
		return errDeparted
	}
	l.spoke.Store(true)
	if rest == nil {
		_, err = l.conn.Write(b)
	} else {
		bufs := net.Buffers{b, rest}
		_, err = bufs.WriteTo(l.conn)
	}
	if err != nil {
		return l.fail(disconnected(err))
	}
	return nil
}

// send sends one frame with a short payload.
func (l *link) send(k kind, flags byte, number uint64, payload []byte) error {
	l.out.Lock()
	defer l.out.Unlock()
	return l.sendLocked(k, flags, number, payload)
}

func (l *link) sendLocked(k kind, flags byte, number uint64, payload []byte) error {
	l.small = append(append(l.small[:0], make([]byte, headerBytes)...), payload...)
	seal(l.small, nil, k, flags, l.generation, number)
	return l.writeLocked(l.small, nil)
}

// sendLast sends one frame and then the connection's end, so that the peer reads everything up to it.
func (l *link) sendLast(k kind, payload []byte) error {
	l.out.Lock()
	defer l.out.Unlock()
	if err := l.sendLocked(k, 0, 0, payload); err != nil {
		return err
	}
	l.outEnded = true
	if c, ok := l.conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// beat shows life whenever nothing else has for half a heartbeat, so that no silence lasts a whole one, until the link ends.
func (l *link) beat() {
	ticker := time.NewTicker(l.beatEvery / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-l.ended:
			return
		}
		// Whoever holds the lock is writing, which is life enough.
		if l.spoke.Swap(false) || !l.out.TryLock() {
			continue
		}
		if !l.outEnded {
			_ = l.sendLocked(kindBeat, 0, 0, nil) // has ended the link if it failed
			l.spoke.Store(false)
		}
		l.out.Unlock()
	}
}

// depart ends the link in good order: the peer gets everything that was written, and says so by closing. That is what
// the wait is for: closing a TCP connection on which unread bytes have come destroys what is under way to the peer. It blocks
// at most as long as a silent peer is borne. The link's reader goes on meanwhile. An error says that the peer's word did not come.
func (l *link) depart() error {
	defer l.tasks.Wait()
	if l.err() != nil {
		return nil // lost before; other calls report it
	}
	l.departing.Store(true)
	limit := time.AfterFunc(l.silence, func() {
		l.fail(fmt.Errorf("%w: closing was not confirmed within %v", fabric.ErrDisconnected, l.silence))
	})
	defer limit.Stop()
	if err := l.sendLast(kindClose, nil); err != nil {
		_ = l.fail(disconnected(err)) // or it ended before, and that was the reason
	}
	<-l.ended
	if err := l.err(); errors.Is(err, fabric.ErrDisconnected) {
		return err
	}
	return nil
}

// receive gives frames to handle until the link ends.
func (l *link) receive(handle func(frame) error) {
	for {
		f, err := l.next()
		if err == nil {
			err = handle(f)
		}
		if err != nil {
			l.readFailed(err)
			return
		}
	}
}

// readFailed ends the link because reading ended with err.
func (l *link) readFailed(err error) {
	if l.departing.Load() && errors.Is(err, io.EOF) {
		err = errDeparted
	}
	l.fail(disconnected(err))
}

// disconnected says that the way to the ring broke because of err.
func disconnected(err error) error {
	switch {
	case fabric.Lost(err), errors.Is(err, errDeparted):
		return err
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: closed by the other end", fabric.ErrDisconnected)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: the other end is silent", fabric.ErrDisconnected)
	}
	return fmt.Errorf("%w: %w", fabric.ErrDisconnected, err)
}

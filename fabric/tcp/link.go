package tcp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/tcpconn"
)

// errDeparted is a link's end when its own user closed it.
var errDeparted = errors.New("closed by this side")

// link is one end of an attached connection: frames in and out, heartbeats, and how it ended. One goroutine reads; any may
// write. Its user has it join a pulse and starts the reader in tasks.
type link struct {
	conn       net.Conn
	name       string // of the side and its owner, in errors; empty at the owner, where Serve names them
	generation fence.Epoch
	key        pulseKey // of the pulse to join; zero during the handshake
	peer       string   // the process at the other end, empty if it did not say; set with key
	silences   *Silences

	// Of the goroutine that reads.
	in    intake
	plain *plain   // how conn is read, if it is no more than a socket
	to    receiver // where records go; nil: nobody may send any
	head  [headerBytes]byte
	note  []byte // payloads that are not records
	turn  int    // bytes read since others had theirs

	pulse   atomic.Pointer[pulse] // stored by join
	heard   atomic.Bool           // set by listener, cleared by the pulse
	heardAt int                   // in the pulse's turns; the pulse's

	tasks sync.WaitGroup

	out      sync.Mutex  // one frame at a time
	small    []byte      // frames that are not records are put together here; guarded by out
	pair     [2][]byte   // a frame that lies in two places; guarded by out
	bufs     net.Buffers // of pair; guarded by out
	outEnded bool        // nothing may be sent any more; guarded by out
	spoke    atomic.Bool // set by every write, cleared by the pulse

	departing atomic.Bool   // set by depart: the peer's closing is what is waited for
	ended     chan struct{} // closed by fail
	loss      atomic.Pointer[error]
	lossOnce  sync.Once
}

// receiver is where a link's reader puts records.
type receiver interface {
	// room returns where the n bytes at cursor at go: they have not been checked, and there may be none if the other end dies. An
	// error refuses them.
	room(at uint64, n int) ([]byte, error)
	// idle says that whoever reads is about to wait for more. An error ends the reading.
	idle() error
}

func newLink(conn net.Conn) *link {
	l := &link{conn: conn, ended: make(chan struct{})}
	l.in.from = (*listener)(l)
	l.plain = newPlain(conn, l.idle)
	return l
}

// idle says that nothing has come for the moment.
func (l *link) idle() error {
	if l.to == nil {
		return nil
	}
	return l.to.idle()
}

// attach sets what the handshake has settled.
func (l *link) attach(h Hello) {
	l.generation = h.Generation
	l.key = pulseKey{name: h.Pulse, session: h.Session, beat: h.Heartbeat, missed: h.missed()}
	l.allow()
	if c, ok := l.raw().(syscall.Conn); ok {
		_ = tcpconn.SetUserTimeout(c, max(tcpconn.UserTimeout, l.key.silence())) // the kernel is to be no less patient than the pulse
	}
}

// raw returns the connection beneath TLS.
func (l *link) raw() net.Conn {
	if s, ok := l.conn.(*secured); ok {
		return s.corked.Conn
	}
	return l.conn
}

// fail ends the link for the reason err, unless it has ended already, and returns the reason that stands.
func (l *link) fail(err error) error {
	l.lossOnce.Do(func() {
		if l.name != "" {
			err = fmt.Errorf("%s: %w", l.name, err)
		}
		l.loss.Store(&err)
		close(l.ended)
		if p := l.pulse.Load(); p != nil { // see join
			p.remove(l)
		}
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
	if err := l.in.full(l.head[:]); err != nil {
		return frame{}, err
	}
	n, err := payloadLen(l.head[:])
	if err != nil {
		return frame{}, err
	}
	f := frame{kind: kind(l.head[atKind]), flags: l.head[atFlags]}
	if f.generation, f.number = numbers(l.head[:]); f.generation != l.generation {
		return frame{}, fmt.Errorf("%v frame of generation %d on a ring of generation %d: %w", f.kind, f.generation, l.generation, fabric.ErrCorrupt)
	}
	if f.payload, err = l.place(f, n); err != nil {
		return frame{}, err
	}
	l.in.long = n >= longBytes
	if err := l.in.full(f.payload); err != nil {
		return frame{}, cut(err)
	}
	l.yield(n)
	return f, verify(l.head[:], f.payload)
}

// place returns where f's payload of n bytes goes.
func (l *link) place(f frame, n int) ([]byte, error) {
	switch {
	case f.kind != kindRecords:
		l.note = slices.Grow(l.note[:0], n)[:n]
		return l.note, nil
	case l.to == nil:
		return nil, fmt.Errorf("%v frame on a link that takes none: %w", f.kind, fabric.ErrCorrupt)
	case n%fabric.HeaderBytes != 0:
		return nil, fmt.Errorf("%v frame of %d bytes, must be a multiple of %d: %w", f.kind, n, fabric.HeaderBytes, fabric.ErrCorrupt)
	}
	return l.to.room(f.number, n)
}

// turnBytes is how much a link reads or writes at most before it lets other connections have the processor: one on which data never
// ends would keep it for as long as the scheduler lets it, which is too long where thousands are served.
const turnBytes = 512 << 10

func (l *link) yield(n int) {
	if l.turn += n; l.turn >= turnBytes {
		l.turn = 0
		runtime.Gosched()
	}
}

// cut says that the connection's end, if err is that, came in the middle of a frame.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// write sends b, a whole frame, in one system call. It blocks while the connection is full.
func (l *link) write(b []byte) error {
	l.out.Lock()
	defer l.out.Unlock()
	return l.writeLocked(b)
}

// writeRecords sends a stretch from where it lies, in one system call if the connection can do that.
func (l *link) writeRecords(at uint64, stretch []byte) error {
	l.out.Lock()
	defer l.out.Unlock()
	l.small = slices.Grow(l.small[:0], headerBytes)[:headerBytes]
	seal(l.small, stretch, kindRecords, 0, l.generation, at)
	if l.outEnded {
		return errDeparted
	}
	l.speak()
	if s, ok := l.conn.(*secured); ok {
		return l.wrote(s.writeFrame(l.small, stretch))
	}
	l.pair = [2][]byte{l.small, stretch}
	l.bufs = l.pair[:]
	_, err := l.bufs.WriteTo(l.conn)
	return l.wrote(err)
}

// speak notes that something is about to be said.
func (l *link) speak() {
	l.spoke.Store(true)
	if p := l.pulse.Load(); p != nil && !p.spoke.Load() {
		p.spoke.Store(true)
	}
}

func (l *link) writeLocked(b []byte) error {
	if l.outEnded {
		return errDeparted
	}
	l.speak()
	if s, ok := l.conn.(*secured); ok {
		return l.wrote(s.writeFrame(b))
	}
	_, err := l.conn.Write(b)
	return l.wrote(err)
}

// wrote ends the link if writing failed.
func (l *link) wrote(err error) error {
	if err == nil {
		return nil
	}
	return l.fail(disconnected(err))
}

// send sends one frame with a short payload.
func (l *link) send(k kind, flags byte, number uint64, payload []byte) error {
	l.out.Lock()
	defer l.out.Unlock()
	return l.sendLocked(k, flags, number, payload)
}

func (l *link) sendLocked(k kind, flags byte, number uint64, payload []byte) error {
	l.small = append(slices.Grow(l.small[:0], headerBytes)[:headerBytes], payload...)
	seal(l.small[:headerBytes], l.small[headerBytes:], k, flags, l.generation, number)
	return l.writeLocked(l.small)
}

// sendLast sends one frame and then the connection's end, so that the peer reads everything up to it.
func (l *link) sendLast(k kind, number uint64, payload []byte) error {
	l.out.Lock()
	defer l.out.Unlock()
	if err := l.sendLocked(k, 0, number, payload); err != nil {
		return err
	}
	l.outEnded = true
	if c, ok := l.conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// receive gives frames to handle until the link ends.
func (l *link) receive(handle func(frame) error) {
	defer l.in.giveBack()
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
	if l.departing.Load() && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
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
		return fmt.Errorf("%w: the other end takes nothing", fabric.ErrDisconnected)
	}
	return fmt.Errorf("%w: %w", fabric.ErrDisconnected, err)
}

package tcp

import (
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/fabric"
)

// This file is about who is still there: heartbeats, silence, and leaving.

// patienceMin bounds patience from below: a machine that is short of processors is no reason to lose what is on its way.
const patienceMin = 5 * time.Second

// patience is for how long a peer is borne that shows life but takes nothing, or does not confirm a closing.
func (l *link) patience() time.Duration {
	return max(patienceSilences*l.key.silence(), patienceMin)
}

// allow gives writes that begin from now on their time: a peer that takes nothing for longer is no better than a silent
// one, and its kernel may go on answering for it.
func (l *link) allow() {
	_ = l.conn.SetWriteDeadline(time.Now().Add(l.patience())) // a connection that refuses it is closed, which its reader finds out
}

// listener reads the link's connection, and notes that there was life. While data flows it costs nothing besides.
type listener link

func (r *listener) Read(b []byte) (int, error) { return r.read(b, nil) }

// read reads into b, and what comes with that into more.
func (r *listener) read(b, more []byte) (int, error) {
	n, err := (*link)(r).readConn(b, more)
	if n > 0 && !r.heard.Load() {
		r.heard.Store(true)
	}
	if p := r.pulse.Load(); n > 0 && p != nil && !p.heard.Load() {
		p.heard.Store(true)
	}
	return n, err
}

// readConn reads the connection. Whether one that is more than a socket will make it wait is not known, so it may.
func (l *link) readConn(b, more []byte) (int, error) {
	if l.plain != nil {
		return l.plain.read(b, more)
	}
	if err := l.idle(); err != nil {
		return 0, err
	}
	return l.conn.Read(b)
}

// beatNow shows life. Who holds the lock is writing, which is life enough, for as long as the last allow has let it.
func (l *link) beatNow() {
	if !l.out.TryLock() {
		return
	}
	defer l.out.Unlock()
	if l.outEnded {
		return
	}
	l.allow()
	_ = l.sendLocked(kindBeat, 0, 0, nil) // has ended the link if it failed
	l.spoke.Store(false)                  // a beat is no reason to leave out the next
}

// depart ends the link in good order: the peer gets everything that was written, and says so by closing. That is what
// the wait is for: closing a TCP connection on which unread bytes have come destroys what is under way to the peer. It blocks
// at most as long as a silent peer is borne, which the pulse judges as ever, and as long as there is patience with one that shows life and does
// not confirm. An error says that the peer's word did not come.
//
// tail is zero, or the cursor up to which a producer has written past the link.
func (l *link) depart(tail uint64) error {
	defer l.tasks.Wait()
	if l.err() != nil {
		return nil // lost before; other calls report it
	}
	l.departing.Store(true)
	patience := l.patience()
	limit := time.AfterFunc(patience, func() {
		l.fail(fmt.Errorf("%w: closing was not confirmed within %v", fabric.ErrDisconnected, patience))
	})
	defer limit.Stop()
	if err := l.sendLast(kindClose, tail, nil); err != nil {
		_ = l.fail(disconnected(err)) // or it ended before, and that was the reason
	}
	<-l.ended
	if err := l.err(); errors.Is(err, fabric.ErrDisconnected) {
		return err
	}
	return nil
}

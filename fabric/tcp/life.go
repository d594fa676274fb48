package tcp

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/grafnode/grafnode/fabric"
)

// This file is about who is still there: heartbeats, silence, and leaving.

// began is what link.due counts from, so that it is a number that does not change with the date.
var began = time.Now()

// expect makes it a silence if nothing comes for d.
func (l *link) expect(d time.Duration) {
	l.due.Store(int64(time.Since(began) + d))
	_ = l.conn.SetReadDeadline(time.Now().Add(d)) // a connection that refuses it is closed, which its reader finds out
}

// allow gives writes that begin from now on until the next beat their time: a peer that takes nothing for longer is no better than a silent
// one, and its kernel may go on answering for it.
func (l *link) allow() {
	_ = l.conn.SetWriteDeadline(time.Now().Add(patienceSilences * l.silence)) // as above
}

// listener reads the link's connection, and takes silence for death once the handshake is over. Reading while data flows costs
// nothing besides: the deadline is moved by beat.
type listener link

func (r *listener) Read(b []byte) (int, error) {
	l := (*link)(r)
	n, err := l.conn.Read(b)
	if l.silence > 0 && n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		n, err = l.lookAgain(b)
	}
	if n > 0 && !l.heard.Load() {
		l.heard.Store(true)
	}
	return n, err
}

// lookAgain reads after a silence. It may be this process that stood still, with the peer's frames waiting in the socket: it looks
// once more before it judges. Who was woken late did stand still, and so perhaps did the peer, if it is on this machine: it
// is given as long again.
func (l *link) lookAgain(b []byte) (int, error) {
	again := l.beatEvery / 4
	if l.heard.Swap(false) {
		again = l.silence // it was no silence: beat, who would have said so, is kept from it by a write
	} else if late := time.Since(began) - time.Duration(l.due.Load()); late > again {
		again = l.silence
	}
	l.expect(again)
	n, err := l.conn.Read(b)
	if n > 0 {
		l.expect(l.silence)
	}
	return n, err
}

// beat shows life whenever nothing else has for half a heartbeat, so that no silence lasts a whole one, and keeps account of the
// peer's, until the link ends.
func (l *link) beat() {
	ticker := time.NewTicker(l.beatEvery / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-l.ended:
			return
		}
		if l.heard.Swap(false) {
			l.expect(l.silence)
		}
		if l.spoke.Swap(false) {
			l.allow()
			continue
		}
		if !l.out.TryLock() {
			continue // whoever holds the lock is writing, which is life enough, for as long as allow has let it
		}
		if !l.outEnded {
			l.allow()
			_ = l.sendLocked(kindBeat, 0, 0, nil) // has ended the link if it failed
			l.spoke.Store(false)
		}
		l.out.Unlock()
	}
}

// depart ends the link in good order: the peer gets everything that was written, and says so by closing. That is what
// the wait is for: closing a TCP connection on which unread bytes have come destroys what is under way to the peer. It blocks
// at most as long as a silent peer is borne, which the reader judges as ever, and ten times as long for one that shows life and does
// not confirm: a machine that is short of processors is no reason to lose what is on its way. An error says that the peer's word did not come.
func (l *link) depart() error {
	defer l.tasks.Wait()
	if l.err() != nil {
		return nil // lost before; other calls report it
	}
	l.departing.Store(true)
	patience := patienceSilences * l.silence
	limit := time.AfterFunc(patience, func() {
		l.fail(fmt.Errorf("%w: closing was not confirmed within %v", fabric.ErrDisconnected, patience))
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

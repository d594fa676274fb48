package tcp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grafnode/grafnode/fabric"
)

// end is one side of the ring, worked on behalf of whoever is at the other end of the link. handle and pump run in two
// goroutines.
type end interface {
	// handle takes in one frame of the remote side's. An error means that the ring is lost to that side, and why.
	handle(f frame) error
	// pump carries to the remote side what the ring has for it, until the ring is lost or ctx ends, and returns why.
	pump(ctx context.Context) error
	// settle is called when the remote side has detached, with what its last frame says: the cursor of a producer that has a way of its own. It
	// waits until everything up to there has come. An error says that it has not, and never will.
	settle(upto uint64) error
	// close gives the side of the ring back.
	close() error
}

// session is an attached remote side as the owner sees it.
type session struct {
	l      *link
	end    end
	losing sync.Once
	lost   atomic.Pointer[error] // why the ring is lost to the remote side: stored by lose, loaded by receive
}

// run serves until the session is over. It returns nil if the remote side detached.
func (s *session) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.l.fail(context.Cause(ctx)) })
	defer stop()
	pumping, cancel := context.WithCancel(ctx)
	defer cancel()
	pumped := make(chan struct{})
	s.l.tasks.Go(func() {
		defer close(pumped)
		if err := s.end.pump(pumping); pumping.Err() == nil && s.l.err() == nil {
			s.lose(err)
		}
	})
	err := s.receive()
	if err != nil {
		err = s.l.fail(err)
	} else {
		// The connection's end follows the last frame, and over TLS a word before it: closing with bytes unread would destroy what is
		// under way to the remote side.
		_, _ = io.CopyN(io.Discard, &s.l.in, intakeBytes)
	}
	cancel()
	<-pumped
	closing := s.end.close()
	_ = s.l.fail(errDeparted) // the remote side learns by this that its last words have been heard
	s.l.tasks.Wait()
	return errors.Join(err, closing)
}

// receive takes in what the remote side says. It returns nil once that has detached, else why the session is over.
func (s *session) receive() error {
	for s.lost.Load() == nil {
		f, err := s.l.next()
		if err != nil || f.kind == kindClose {
			err = errors.Join(err, s.l.idle()) // what has come in full is there
		}
		switch {
		case fabric.Lost(err): // not the connection's word, but next's or the ring's
			s.lose(err)
		case err != nil && s.lost.Load() == nil:
			return disconnected(err)
		case err != nil || f.kind == kindBeat:
		case f.kind == kindClose:
			err := s.end.settle(f.number)
			if err == nil {
				return nil
			}
			s.lose(err) // it is not to take the connection's end for a confirmation
		default:
			if err := s.end.handle(f); err != nil {
				s.lose(err)
			}
		}
	}
	// Nothing that the remote side says counts any more, but it must be read: see link.depart. lose bounds it.
	_, _ = io.Copy(io.Discard, &s.l.in)
	return *s.lost.Load()
}

// hangUpMin bounds from below how long a remote side has to read why its ring is lost.
const hangUpMin = time.Second

// lose tells the remote side that the ring is lost to it, and why. It has one silence to read that and hang up, and at least hangUpMin.
func (s *session) lose(err error) {
	s.losing.Do(func() {
		time.AfterFunc(max(s.l.key.silence(), hangUpMin), func() { s.l.fail(err) })
		why, e := json.Marshal(refusal(err))
		if e != nil {
			panic("fabric/tcp: " + e.Error()) // two strings
		}
		s.lost.Store(&err) // first: the answer to what follows may be that the connection ends
		if e := s.l.sendLast(kindSeal, 0, why); e != nil {
			s.l.fail(err)
		}
	})
}

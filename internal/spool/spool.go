// Package spool writes a log without keeping anybody waiting. A log goes to a pipe or a terminal, and who reads that may be stopped; a program that waits for
// it stands still with all its locks.
//
// What is written is kept, in order, for one goroutine that hands it on. When too much waits, what comes is left out, and that is told as soon as something
// is taken again. The agent's log goes through it.
package spool

import (
	"io"
	"sync"
	"time"
)

// closeFor is how long Close waits for what is still to be written: who does not take it by then will not.
const closeFor = 2 * time.Second

// Spool is a writer of whole lines that does not block. It is safe for concurrent use and never fails.
type Spool struct {
	to   io.Writer
	max  int
	lost func(lines int)
	more chan struct{} // something waits; of capacity one
	done chan struct{} // closed by run

	mu      sync.Mutex
	waiting []byte
	dropped int // lines, since that was told
	closed  bool
}

// New returns a Spool that keeps max bytes at most that wait for to. lost is told how many lines were left out; it may write to the Spool.
func New(to io.Writer, max int, lost func(lines int)) *Spool {
	return &Spool{to: to, max: max, lost: lost, more: make(chan struct{}, 1), done: make(chan struct{})}
}

// Open begins to hand on. It is to be called once.
func (s *Spool) Open() { go s.run() }

// Write keeps a copy of a line, if there is room.
func (s *Spool) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.waiting)+len(line) > s.max {
		s.dropped++
		return len(line), nil
	}
	s.waiting = append(s.waiting, line...)
	s.signal()
	return len(line), nil
}

func (s *Spool) signal() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// Close hands on what waits, for two seconds at most; what comes later is left out. Idempotent.
func (s *Spool) Close() error {
	s.mu.Lock()
	s.closed = true
	s.signal()
	s.mu.Unlock()
	late := time.NewTimer(closeFor)
	defer late.Stop()
	select {
	case <-s.done:
	case <-late.C:
	}
	return nil
}

func (s *Spool) run() {
	defer close(s.done)
	var full []byte
	for range s.more {
		for {
			var dropped int
			var closed bool
			full, dropped, closed = s.take(full)
			if len(full) == 0 && closed {
				return
			}
			if len(full) == 0 {
				break
			}
			_, _ = s.to.Write(full) // there is nowhere to say that the log cannot be written
			if dropped > 0 {
				s.lost(dropped)
			}
		}
	}
}

// take returns what waits, and how many lines were left out since it began to. What comes next is kept where it was written from.
func (s *Spool) take(written []byte) (full []byte, dropped int, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	full, s.waiting = s.waiting, written[:0]
	dropped, s.dropped = s.dropped, 0
	return full, dropped, s.closed
}

package tcp

import (
	"strings"
	"sync"
	"time"

	"github.com/grafnode/grafnode/internal/tcpconn"
)

// Silences counts the processes that were given up for their silence, and which of them were not gone. The zero Silences counts from
// nothing. All methods are safe for concurrent use.
//
// A silence was mistaken if the host of the process answered all the while, so that nothing was wrong with it or the way to it, and the process
// attaches again, or is attached again, within a minute: it was slow, or had been stopped for a time, which cannot be told apart from here. Who is
// slow and then ends, or is not met again, is not counted; nor is a cable that was out for a moment, because that silence was one.
type Silences struct {
	mu       sync.Mutex
	judged   uint64
	mistaken uint64
	slow     map[string]time.Time // processes whose hosts answered, and when they were given up
}

// Counts returns how many processes were given up, and how many of those by mistake.
func (s *Silences) Counts() (judged, mistaken uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.judged, s.mistaken
}

// slowFor is for how long a process that was given up may be met again.
const slowFor = time.Minute

// givenUp counts process, which may be unknown.
func (s *Silences) givenUp(process string, answered bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judged++
	for p, at := range s.slow {
		if time.Since(at) > slowFor {
			delete(s.slow, p)
		}
	}
	if answered && process != "" {
		if s.slow == nil {
			s.slow = map[string]time.Time{}
		}
		s.slow[process] = time.Now()
	}
}

// met says that process lives.
func (s *Silences) met(process string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, was := s.slow[process]; was {
		delete(s.slow, process)
		if time.Since(at) <= slowFor {
			s.mistaken++
		}
	}
}

// answered reports whether the host at the other end of links, between the same two processes, has left none of what was said to it
// unacknowledged for as long as half a silence. A cable that is out has it owe for a whole one.
func answered(links []*link, silence time.Duration) bool {
	for _, l := range links {
		if owed, known := tcpconn.Owed(l.raw()); !known || owed > silence/2 {
			return false
		}
	}
	return true
}

// processOf returns the process that made a pulse's name, see pulseName.
func processOf(name string) string {
	process, _, _ := strings.Cut(name, " ")
	return process
}

package session

import (
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
)

// HelloTimeout is how long a hello may go without an answer. It is longer than a node takes to answer in any way: hanging up
// while the cluster hands a session over would look like the end of this process, and end it.
const HelloTimeout = 15 * time.Second

// Pauses between hellos: pauseMin at first, doubled up to pauseMax.
const (
	pauseMin = 10 * time.Millisecond
	pauseMax = 500 * time.Millisecond
)

// Why a session is over. All but ErrClosed wrap api.ErrSessionLost.
var (
	ErrDeadline = fmt.Errorf("its deadline has passed: %w", api.ErrSessionLost)
	ErrEnded    = fmt.Errorf("the cluster has ended it: %w", api.ErrSessionLost)
	ErrClosed   = errors.New("closed by its own process")
)

var errSilence = fmt.Errorf("no answer to hello in %v: %w", HelloTimeout, api.ErrUnavailable)

// Line numbers the connections to the node, in the order in which they were asked for, from 1.
type Line uint64

// Effects is what a step wants done. The zero Effects is nothing.
type Effects struct {
	Hello  Line  // not zero: connect, under this number, and say hello with the session of Machine.ID
	Beat   Line  // not zero: show life over this line
	HangUp Line  // not zero: nothing more is said over this line; a hello under way there is given up
	Over   error // not nil: the session is over; told once
}

// Config is what a Machine must be told.
type Config struct {
	TTL time.Duration // term of the session
	// Jitter returns a duration up to d, so that the stages of a dead node do not march in step. Nil: zero.
	Jitter func(d time.Duration) time.Duration
}

type phase uint8

const (
	resting  phase = iota // no line; hello at wake
	greeting              // hello is said on line; given up at wake
	up                    // line is good; beat at wake
	over
)

// Machine is one session's life. It is not safe for concurrent use. Instants that it is given are of the node's clock and never
// decrease from step to step.
type Machine struct {
	config   Config
	id       lease.SessionID // empty: not open yet
	deadline lease.Instant   // of an open session
	phase    phase
	line     Line // the newest
	wake     lease.Instant
	pause    time.Duration
	refusal  error // of the last hello; nil: it was welcomed, or not answered yet
	cause    error // why it is over
}

// New returns a session that is to be opened: Tick says hello.
func New(c Config) *Machine { return &Machine{config: c} }

// ID returns the session; empty while it was never open.
func (m *Machine) ID() lease.SessionID { return m.id }

// Line returns the line that is up; zero: the node is away.
func (m *Machine) Line() Line {
	if m.phase != up {
		return 0
	}
	return m.line
}

// Deadline returns up to when the session is good, and no longer. Zero: it was never open.
func (m *Machine) Deadline() lease.Instant { return m.deadline }

// Refusal returns why the last hello did not do, if another is to follow.
func (m *Machine) Refusal() error { return m.refusal }

// Cause returns why the session is over; nil: it is not, or nobody has looked at the clock yet.
func (m *Machine) Cause() error { return m.cause }

// Next returns when Tick has something to do, if no other step comes first; false: never.
func (m *Machine) Next() (lease.Instant, bool) {
	switch {
	case m.phase == over:
		return 0, false
	case m.id != "":
		return min(m.wake, m.deadline), true
	default:
		return m.wake, true
	}
}

// Over reports whether the session is over. What it wants done is to be done even if it was asked in passing.
func (m *Machine) Over(now lease.Instant) (bool, Effects) {
	e := m.look(now)
	return m.phase == over, e
}

// Tick does what is due.
func (m *Machine) Tick(now lease.Instant) Effects {
	if e := m.look(now); m.phase == over || now < m.wake {
		return e
	}
	switch m.phase {
	case up:
		m.wake = now.Add(lease.RenewEvery(m.config.TTL))
		return Effects{Beat: m.line}
	case greeting:
		m.rest(now, errSilence)
		return Effects{HangUp: m.line}
	default:
		m.phase, m.line, m.wake = greeting, m.line+1, now.Add(HelloTimeout)
		return Effects{Hello: m.line}
	}
}

// Welcomed takes the node's answer to the hello on a line. A welcome to a line that was given up is hung up.
func (m *Machine) Welcomed(l Line, id lease.SessionID, deadline, now lease.Instant) Effects {
	e := m.look(now)
	switch {
	case l == m.line && m.phase == up: // said twice
		return e
	case l != m.line || m.phase != greeting:
		e.HangUp = l // if the session ended just now, this is its line
		return e
	}
	if m.id == "" {
		m.id = id
	}
	m.phase, m.pause, m.refusal = up, 0, nil
	m.deadline, m.wake = max(m.deadline, deadline), now.Add(lease.RenewEvery(m.config.TTL))
	return m.look(now)
}

// Refused takes a hello's failure; its line is closed. What may be otherwise in a moment is tried again.
func (m *Machine) Refused(l Line, why error, now lease.Instant) Effects {
	e := m.look(now)
	switch {
	case l != m.line || m.phase != greeting:
		return e
	case passing(why):
		m.rest(now, why)
		return Effects{}
	default:
		m.phase = resting
		return m.end(why)
	}
}

// Broke takes the end of a line that was good.
func (m *Machine) Broke(l Line, now lease.Instant) Effects {
	e := m.look(now)
	if l == m.line && m.phase == up {
		m.phase, m.wake = resting, now
	}
	return e
}

// Good moves the deadline of an open session as the node said, over whatever line. One that has passed stays passed.
func (m *Machine) Good(deadline, now lease.Instant) Effects {
	e := m.look(now)
	if m.phase != over && m.id != "" {
		m.deadline = max(m.deadline, deadline)
	}
	return e
}

// Ended takes the node's word that the cluster has ended the session.
func (m *Machine) Ended(now lease.Instant) Effects {
	if e := m.look(now); m.phase == over {
		return e
	}
	return m.end(ErrEnded)
}

// Close ends the session because its process wants no more of it.
func (m *Machine) Close() Effects {
	if m.phase == over {
		return Effects{}
	}
	return m.end(ErrClosed)
}

// look ends the session if its deadline has passed.
func (m *Machine) look(now lease.Instant) Effects {
	if m.phase == over || m.id == "" || now < m.deadline {
		return Effects{}
	}
	return m.end(ErrDeadline)
}

func (m *Machine) end(why error) Effects {
	e := Effects{Over: why}
	if m.phase == up || m.phase == greeting {
		e.HangUp = m.line
	}
	m.phase, m.cause = over, why
	return e
}

// rest waits before the next hello.
func (m *Machine) rest(now lease.Instant, why error) {
	m.pause = min(max(2*m.pause, pauseMin), pauseMax)
	pause := m.pause
	if m.config.Jitter != nil {
		pause += m.config.Jitter(m.pause / 2)
	}
	m.phase, m.refusal, m.wake = resting, why, now.Add(pause)
}

// passing reports whether a hello that was refused so may be welcome a moment later. One of an unknown outcome may have opened a
// session that nobody uses; it ends by itself.
func passing(err error) bool {
	for _, p := range []error{api.ErrUnavailable, api.ErrNoQuorum, api.ErrCluster, api.ErrOverloaded, api.ErrUnknown} {
		if errors.Is(err, p) {
			return true
		}
	}
	return false
}

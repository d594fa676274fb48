package ring

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/internal/membarrier"
	"github.com/grafnode/grafnode/lease"
)

// Setup is what both sides are made from.
type Setup struct {
	Config  fabric.Config
	Control *Control // the owner's words, read only
	Own     Event    // what this side sleeps on
	Peer    Bell     // what wakes the other; used by calls only, so it may go when the memory goes
	Release func()   // called once, after Close, when no call is using the memory any more; may be nil
	// Short is called when a claim of a producer has found no room, with how far its consumer must have acked: for a consumer that does not
	// see for itself. By the goroutine in the calls; may be nil.
	Short func(wanted uint64)
}

// side is what producer and consumer have in common: whether the ring may still be used, and waiting.
type side struct {
	setup   Setup
	guard                        // of the memory
	lost    atomic.Pointer[loss] // the first loss that this side noticed
	waiting *atomic.Uint64       // in this side's words; partners: the other side's wakePeer, and of a producer its own Heed and makeRoom
	news    func() bool          // whether the other calls may have something new to say
	deaf    func() uint64        // which acks are no news: bits of the waiting word
	waited  func()               // called at a wait's end
	mode    atomic.Uint32        // a fabric.Mode
	orders  *atomic.Uint32       // in this side's words: 1 says that it orders the others' stores before its last look; partner: the peer's fenceFor
	fence   atomic.Uint32        // see fenceFor; its value says nothing
	wakened uint64               // the peer's waiting word when it was last signalled

	clock deadlineClock // of the calls; a wait reads the clock itself
	luck  atomic.Int32  // how well looking has paid lately, see spin

	turn  chan struct{}          // holds whoever is asleep; there may be two who want to be
	look  func(kind uint64) bool // side.awake, made once
	until context.Context        // of the wait that has its turn
	timer int64                  // the deadline that it has set its timer by
}

// loss is why a side lost its ring.
type loss struct {
	err  error
	told atomic.Bool // by a call, or a wait that ended for it: stored there, loaded by Wait. Of what LoseProducer says nobody knows yet
}

// tell returns the loss to who calls.
func (l *loss) tell() error {
	l.told.Store(true)
	return l.err
}

func (s *side) init(setup Setup, waiting *atomic.Uint64, orders *atomic.Uint32, news func() bool, deaf func() uint64, waited func()) {
	s.setup, s.waiting, s.orders, s.news, s.deaf, s.waited = setup, waiting, orders, news, deaf, waited
	s.free = setup.Release
	if membarrier.Register() {
		orders.Store(1)
	}
	s.turn = make(chan struct{}, 1)
	s.look = s.awake
	s.luck.Store(luckMax)
}

// SetMode is fabric's SetMode.
func (s *side) SetMode(m fabric.Mode) { s.mode.Store(uint32(m)) }

// Generation returns the ring's generation.
func (s *side) Generation() fence.Epoch { return s.setup.Config.Generation }

// Close detaches the side. A call under way, or a claim not given back, keeps the memory until it ends. Idempotent.
func (s *side) Close() error {
	if s.close() {
		s.setup.Own.Signal()
		s.release()
	}
	return nil
}

// begin is enter for calls that end with a loss.
func (s *side) begin() error {
	if !s.enter() {
		return fabric.ErrClosed
	}
	if l := s.lost.Load(); l != nil {
		s.exit()
		return l.tell()
	}
	return nil
}

// lose notes why this side lost the ring, and returns the first such reason.
func (s *side) lose(err error) error {
	s.lost.CompareAndSwap(nil, &loss{err: s.describe(err)})
	return s.lost.Load().tell()
}

func (s *side) describe(err error) error {
	return fmt.Errorf("edge %s, generation %d: %w", s.setup.Config.Edge, s.setup.Config.Generation, err)
}

// corrupt is lose for a check that failed.
func (s *side) corrupt(format string, args ...any) error {
	return s.lose(fmt.Errorf("%w: %s", fabric.ErrCorrupt, fmt.Sprintf(format, args...)))
}

// verdict returns why the ring is over, nil if it is not. Of the calls.
func (s *side) verdict() error {
	control := s.setup.Control
	if control.Sealed.Load() == uint32(open) && !s.clock.passed(lease.Instant(control.Deadline.Load())) {
		return nil
	}
	return s.ending()
}

// verdictNow is verdict for waits.
func (s *side) verdictNow() error {
	control := s.setup.Control
	if control.Sealed.Load() == uint32(open) && !passedNow(lease.Instant(control.Deadline.Load())) {
		return nil
	}
	return s.ending()
}

// ending is the loss of a ring that is over.
func (s *side) ending() error {
	if err := Verdict(s.setup.Control.Sealed.Load()).err(); err != nil {
		return s.lose(err)
	}
	return s.lose(fabric.ErrLeaseExpired)
}

// passedNow asks the clock.
func passedNow(deadline lease.Instant) bool { return deadline != 0 && boottime.Now() >= deadline }

// deadlineClock asks the clock that counts suspend only so often, because reading it is a system call. A side that ran for
// less than lookEvery since it last looked is in the same position as a writer between its look and its commit.
type deadlineClock struct {
	deadline lease.Instant // the one last looked at
	looked   time.Time     // when
	good     time.Duration // for how long that stands
}

const lookEvery = 100 * time.Microsecond

func (c *deadlineClock) passed(deadline lease.Instant) bool { return deadline != 0 && c.look(deadline) }

func (c *deadlineClock) look(deadline lease.Instant) bool {
	if deadline == c.deadline && time.Since(c.looked) < c.good {
		return false
	}
	c.looked = time.Now()
	left := deadline.Sub(boottime.Now())
	c.deadline, c.good = deadline, min(left, lookEvery)
	return left <= 0
}

var (
	errClaimOpen  = errors.New("ring: a claim is open; commit or abort it first")
	errBatchOpen  = errors.New("ring: a batch is open; end it first")
	errBatchOver  = errors.New("ring: the batch has ended")
	errNoClaim    = errors.New("ring: nothing is claimed")
	errRowBegun   = errors.New("ring: a part of the next row was read by itself")
	errResumeOnce = errors.New("ring: the resume note is written once")
)

// checkNote refuses a note that does not fit.
func checkNote(note []byte) error {
	if len(note) > fabric.NoteBytesMax {
		return fmt.Errorf("ring: note of %d bytes, at most %d", len(note), fabric.NoteBytesMax)
	}
	return nil
}

package ring

import "time"

// A waiting word says whether its side sleeps, and how: a look's number, one of these in the two lowest bits, and in the two highest
// which acks do not wake it. It changes each time its side looks for news before it sleeps.
const (
	Awake    uint64 = 0
	InPoller uint64 = 1 // an eventfd, or what stands for it, wakes it
	InFutex  uint64 = 3 // a futex does
	sleeps   uint64 = 1
	kinds    uint64 = 3
	nextLook uint64 = 4
	deafness        = toAcks | toRoom
	toAcks   uint64 = 1 << 63 // none, see Producer.Heed. Versions that do not know these bits never set them, and ring all the same
	toRoom   uint64 = 1 << 62 // those without a note
)

// Bell wakes the side of another.
type Bell interface {
	// Ring makes a Park of the other side look again. kind is how it sleeps, or Awake if that is not known. It never blocks. Any
	// goroutine that has the memory in use.
	Ring(kind uint64)
}

// Event is how a side sleeps.
type Event interface {
	// Signal makes Park look again. It does nothing once the event is gone, and never blocks. Any goroutine.
	Signal()
	// Park calls look now, and again after each Signal or Ring since that call began, or returns instead. look is told how Park is
	// going to sleep. Park returns once look returns true, or the timeout has passed (zero: no timeout), or the event is gone;
	// early too, for no reason. One goroutine at a time.
	Park(timeout time.Duration, look func(kind uint64) bool)
}

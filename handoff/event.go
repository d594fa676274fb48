package handoff

import (
	"fmt"

	"github.com/grafnode/grafnode/fence"
)

// What says what an Event is.
type What uint8

// The events. Those with a ring are dropped if it is not one of the side's two.
const (
	// News: a record was seen; it may be old.
	News What = iota
	// Opened: Attach has succeeded.
	Opened
	// Broken: Attach, Bind, Activate or Want has failed, or an open ring was lost.
	Broken
	// Ended is Broken where the ring says that the edge has moved on: there is news to be read.
	Ended
	// Met: the other side has shown itself in the ring or spare; of a producer's ring, by its resume note.
	Met
	// Activated: the producer has activated the spare; to a consumer.
	Activated
	// MoveWanted: the consumer wants to move to the spare; to a producer.
	MoveWanted
	// Overdue: the other side has not shown itself in the ring, or to a producer in the spare, or not activated the spare that was wanted, in time.
	Overdue
	// ArmAgain: what kept this side from arming a spare may be over.
	ArmAgain
	// Applied: what was asked is done, and the record is this one. It answers Read too.
	Applied
	// Refused: what was asked is not done.
	Refused
	// Unknown: what was asked may be done or not.
	Unknown
	// NoRoom: there is no place for what was asked.
	NoRoom
)

// Event is something that a side has learnt.
type Event struct {
	What   What
	Ring   fence.Epoch // of Opened to Overdue
	Record Record      // of News and Applied
}

// Do says what an Effect is.
type Do uint8

// The effects. Those from Read on are asked of the registry, one at a time, and end with Applied, Refused, Unknown or NoRoom.
const (
	// Attach opens this side of a ring: ends with Opened or Broken.
	Attach Do = iota + 1
	// Leave lets a ring go for ever; it may be under way to be attached, or broken.
	Leave
	// Bind puts an open ring to use. The consumer writes its resume note, the producer waits for it (rule 6).
	Bind
	// Watch listens to what the other side says in a spare, and says whatever shows it that this side is there.
	Watch
	// Activate tells the consumer that the spare is the edge's ring now (rule 14).
	Activate
	// Want tells the producer that the consumer wants to move to the spare (rule 17).
	Want
	// ArmLater asks for ArmAgain, once another spare may be tried.
	ArmLater
	// Read reads the record.
	Read
	// Change asks for a new ring by rule 4, expecting a revision.
	Change
	// Confirm has a move to the spare recorded (rule 15).
	Confirm
	// ConfirmAndArm is Confirm with another spare in the same write.
	ConfirmAndArm
	// Arm asks for a spare (rule 13), expecting a revision.
	Arm
	// Quit: the role is lost, to another holder or with the edge. It is the last effect.
	Quit
)

// Effect is something that a side is to do, in the order in which it is told.
type Effect struct {
	Do     Do
	Ring   fence.Epoch // of Attach to Want, and of a confirmation
	Expect uint64      // of Change and Arm: the record's revision
}

var whats = [...]string{"news", "opened", "broken", "ended", "met", "activated", "move wanted", "overdue", "arm again", "applied", "refused",
	"unknown", "no room"}

var dos = [...]string{"nothing", "attach", "leave", "bind", "watch", "activate", "want", "arm later", "read", "change", "confirm", "confirm and arm", "arm", "quit"}

var states = [...]string{"empty", "attaching", "attached", "ready", "wanted", "late", "lost"}

// String names the event.
func (w What) String() string { return name(whats[:], int(w)) }

// String names the effect.
func (d Do) String() string { return name(dos[:], int(d)) }

// String names the state.
func (s State) String() string { return name(states[:], int(s)) }

func name(of []string, i int) string {
	if i < len(of) {
		return of[i]
	}
	return fmt.Sprint(i)
}

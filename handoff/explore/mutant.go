package explore

// Mutant takes one rule of the protocol away.
type Mutant string

// The mutants, each named by what it does wrong.
const (
	None            Mutant = ""
	BlindChange     Mutant = "rule 1: change a record without compare-and-set"
	ReuseArena      Mutant = "rule 2: a new consumer takes over the old ring"
	TakeOneByOne    Mutant = "rule 3: take a stage's edges one after the other"
	ReadBeforeFence Mutant = "rule 5: read the store's position, then fence it"
	CursorUnfenced  Mutant = "rule 5: move the source's cursor without checking the epoch"
	SendUnresumed   Mutant = "rule 6: go on in a new ring without waiting for the resume note"
	DropReceived    Mutant = "rule 6: a new producer does not retain what the consumer has received"
	AcceptRepeats   Mutant = "rule 7: accept positions at or below the last"
	SkipDamaged     Mutant = "rule 7: skip a damaged record"
	ForgetSent      Mutant = "rule 8: forget what has been sent"
	AckOnReceipt    Mutant = "rule 9: acknowledge what is received, not done"
	CursorOnSend    Mutant = "rule 9: move the source's cursor when an input is sent"
	NoMarks         Mutant = "end marks: none for filtered input"
	CommitUnfenced  Mutant = "rule 12: commit without checking the epoch"
	TwoTransactions Mutant = "rule 12: effects and position in two transactions"
)

// Mutants that need only a source and a sink to show themselves, and those that need a stage between.
var (
	Mutants = []Mutant{BlindChange, ReuseArena, ReadBeforeFence, SendUnresumed, SkipDamaged,
		ForgetSent, AckOnReceipt, CursorOnSend, NoMarks, CommitUnfenced, TwoTransactions}
	StageMutants = []Mutant{TakeOneByOne, DropReceived}
)

// Harmless are changes that break nothing by themselves, with the reason: they are rules that follow from others, kept
// because they make the others easier to hold.
var Harmless = map[Mutant]string{
	AcceptRepeats:  "a producer sends nothing at or below the resume note, so there is nothing to drop: a second lock",
	CursorUnfenced: "a zombie source moves the cursor only up to an acknowledgement, which stays true whoever hears it",
}

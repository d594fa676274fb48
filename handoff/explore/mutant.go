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
	SendUnlogged    Mutant = "rule 11: send what a stage that is not deterministic has made before it is logged"
	LogUnfenced     Mutant = "rule 11: log outputs without checking the epoch"
	OneLane         Mutant = "lanes: the sink keeps one position for all lanes"
	CommitUnfenced  Mutant = "rule 12: commit without checking the epoch"
	TwoTransactions Mutant = "rule 12: effects and position in two transactions"
	NoReserve       Mutant = "rule 13: a new ring takes the generation after the ring's, not after the highest ever granted"
	UseUnknownArm   Mutant = "rule 13: use a spare whose arming is not known to be applied"
	MoveUnmet       Mutant = "rule 13: use a spare in which the consumer has not been seen"
	MoveUnresumed   Mutant = "rule 14: send in the spare without waiting for the resume note"
	BlindConfirm    Mutant = "rule 15: confirm whatever the record says"
	ConfirmDown     Mutant = "rules 4 and 15: a takeover leaves the spare, and a move to it is confirmed all the same"
	SpareSurvives   Mutant = "rule 4: a takeover or relocation leaves the spare"
	FenceMover      Mutant = "rule 15: a mover that finds a higher generation counts itself as fenced"
	FollowDown      Mutant = "rule 16: the consumer follows to an active spare below its ring"
	FollowInactive  Mutant = "rule 16: the consumer binds a spare that is not active"
	ConsumerMoves   Mutant = "rule 17: a consumer that alone lost its ring moves by itself"
	ResumeEarly     Mutant = "rule 17: a consumer says in the spare where to go on while it has its ring"
	WaitForEver     Mutant = "rule 17: wait for the other side in the spare for ever"
)

// Needed is within which bounds a rule's absence shows itself.
type Needed struct {
	Bounds
	Slow bool // takes ten seconds
}

// Mutants are those that break something.
var Mutants = map[Mutant]Needed{
	BlindChange:     {Bounds: Bounds{Inputs: 2, Faults: 1}},
	ReuseArena:      {Bounds: Bounds{Inputs: 2, Faults: 1}},
	TakeOneByOne:    {Bounds: Bounds{Shape: Staged, Inputs: 1, Faults: 1}, Slow: true},
	ReadBeforeFence: {Bounds: Bounds{Inputs: 2, Faults: 1}},
	SendUnresumed:   {Bounds: Bounds{Inputs: 2, Faults: 1}},
	DropReceived:    {Bounds: Bounds{Shape: Staged, Inputs: 1, Faults: 1}},
	SkipDamaged:     {Bounds: Bounds{Inputs: 2, Faults: 1}},
	ForgetSent:      {Bounds: Bounds{Inputs: 2, Faults: 1}},
	AckOnReceipt:    {Bounds: Bounds{Inputs: 2, Faults: 1}},
	CursorOnSend:    {Bounds: Bounds{Inputs: 2, Faults: 1}},
	NoMarks:         {Bounds: Bounds{Inputs: 2, Faults: 1}},
	SendUnlogged:    {Bounds: Bounds{Shape: Logged, Inputs: 1, Faults: 1, Only: Takeovers, Begun: true}},
	LogUnfenced:     {Bounds: Bounds{Shape: Logged, Inputs: 1, Faults: 1, Only: Takeovers, Begun: true}},
	OneLane:         {Bounds: Bounds{Shape: Merged, Inputs: 1, Faults: 1, Only: Takeovers, Begun: true}},
	CommitUnfenced:  {Bounds: Bounds{Inputs: 2, Faults: 1}},
	TwoTransactions: {Bounds: Bounds{Inputs: 2, Faults: 1}},
	NoReserve:       {Bounds: Bounds{Inputs: 1, Spares: 1, Faults: 1}},
	UseUnknownArm:   {Bounds: Bounds{Inputs: 1, Spares: 1, Faults: 1}},
	MoveUnresumed:   {Bounds: Bounds{Inputs: 2, Spares: 1}},
	BlindConfirm:    {Bounds: Bounds{Inputs: 1, Spares: 1, Faults: 1}},
	ConfirmDown:     {Bounds: Bounds{Inputs: 1, Spares: 1, Faults: 1}},
	FenceMover:      {Bounds: Bounds{Inputs: 1, Spares: 1, Faults: 1}},
	FollowDown:      {Bounds: Bounds{Inputs: 1, Spares: 1}},
	FollowInactive:  {Bounds: Bounds{Inputs: 1, Spares: 1}},
	ConsumerMoves:   {Bounds: Bounds{Inputs: 1, Spares: 1, Alarms: true}},
	ResumeEarly:     {Bounds: Bounds{Inputs: 3, Spares: 1}},
	WaitForEver:     {Bounds: Bounds{Inputs: 1, Spares: 1, Faults: 1, Alarms: true}, Slow: true},
}

// Harmless are changes that break nothing by themselves, with the reason: they are rules that follow from others, kept
// because they make the others easier to hold.
var Harmless = map[Mutant]string{
	AcceptRepeats:  "a producer sends nothing at or below the resume note, so there is nothing to drop: a second lock",
	CursorUnfenced: "a zombie source moves the cursor only up to an acknowledgement, which stays true whoever hears it",
	SpareSurvives:  "a confirmation is refused below the record's ring, and no side goes down to a spare",
	MoveUnmet:      "a move into a spare without the consumer ends by rule 4, only later",
}

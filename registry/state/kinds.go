package state

import "reflect"

// kind is what a frame holds, in the log and in snapshots. The numbers are for ever: append only.
type kind uint8

const (
	kindNothing       kind = 1
	kindInitCluster   kind = 2
	kindRegisterNode  kind = 3
	kindOpenSession   kind = 4
	kindAdoptSession  kind = 5
	kindEndSession    kind = 6
	kindChangeEdges   kind = 7
	kindDeleteEdge    kind = 8
	kindGrantLease    kind = 9
	kindReleaseLease  kind = 10
	kindRevokeLease   kind = 11
	kindAdoptLease    kind = 12
	kindAllowance     kind = 13
	kindExpire        kind = 14
	kindPutCheckpoint kind = 15
	kindUpgrade       kind = 16 // level 2
	kindRemoveNode    kind = 17
	kindChangeSpare   kind = 18 // level 3
	kindDrainNode     kind = 19 // level 4
	kindPutToken      kind = 20 // level 5
	kindRemoveToken   kind = 21
	kindSetEligible   kind = 22 // level 6
	kindResizeNode    kind = 23

	kindSnapshotHead  kind = 128
	kindSnapshotTail  kind = 129
	kindSnapshotNode  kind = 130
	kindSnapshotSess  kind = 131
	kindSnapshotLease kind = 132
	kindSnapshotEdge  kind = 133
	kindSnapshotTomb  kind = 134
	kindSnapshotCheck kind = 135
	kindSnapshotEnded kind = 136
	kindSnapshotToken kind = 137 // level 5
)

func (Nothing) kind() kind        { return kindNothing }
func (InitCluster) kind() kind    { return kindInitCluster }
func (RegisterNode) kind() kind   { return kindRegisterNode }
func (OpenSession) kind() kind    { return kindOpenSession }
func (AdoptSession) kind() kind   { return kindAdoptSession }
func (EndSession) kind() kind     { return kindEndSession }
func (ChangeEdges) kind() kind    { return kindChangeEdges }
func (DeleteEdge) kind() kind     { return kindDeleteEdge }
func (GrantLease) kind() kind     { return kindGrantLease }
func (ReleaseLease) kind() kind   { return kindReleaseLease }
func (RevokeLease) kind() kind    { return kindRevokeLease }
func (AdoptLease) kind() kind     { return kindAdoptLease }
func (Allowance) kind() kind      { return kindAllowance }
func (Expire) kind() kind         { return kindExpire }
func (PutCheckpoint) kind() kind  { return kindPutCheckpoint }
func (Upgrade) kind() kind        { return kindUpgrade }
func (RemoveNode) kind() kind     { return kindRemoveNode }
func (ChangeSpare) kind() kind    { return kindChangeSpare }
func (DrainNode) kind() kind      { return kindDrainNode }
func (PutToken) kind() kind       { return kindPutToken }
func (RemoveToken) kind() kind    { return kindRemoveToken }
func (SetEligibility) kind() kind { return kindSetEligible }
func (ResizeNode) kind() kind     { return kindResizeNode }

// Commands returns an empty command of each kind, for callers who have to decide something for every one.
func Commands() []Command {
	return []Command{
		Nothing{}, InitCluster{}, RegisterNode{}, OpenSession{}, AdoptSession{}, EndSession{}, ChangeEdges{}, DeleteEdge{},
		GrantLease{}, ReleaseLease{}, RevokeLease{}, AdoptLease{}, Allowance{}, Expire{}, PutCheckpoint{},
		Upgrade{}, RemoveNode{}, ChangeSpare{}, DrainNode{}, PutToken{}, RemoveToken{},
		SetEligibility{}, ResizeNode{},
	}
}

// commands maps each command's kind to its type, for decoding.
var commands = func() map[kind]reflect.Type {
	m := map[kind]reflect.Type{}
	for _, c := range Commands() {
		m[c.kind()] = reflect.TypeOf(c)
	}
	return m
}()

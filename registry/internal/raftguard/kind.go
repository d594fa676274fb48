package raftguard

import (
	"fmt"
	"math"

	"github.com/hashicorp/raft"
)

// Kind is how the log is stored. The vote and the term are in bbolt always.
type Kind string

// The kinds. KindAuto means: as the directory has it, else KindDefault.
const (
	KindBolt Kind = "bolt" // raft-boltdb: two fsyncs for each commit
	KindWAL  Kind = "wal"  // raft-wal: one
	KindAuto Kind = "auto"

	KindDefault = KindWAL
)

// Validate refuses what is no kind. The empty one is KindAuto.
func (k Kind) Validate() error {
	switch k {
	case "", KindAuto, KindBolt, KindWAL:
		return nil
	}
	return fmt.Errorf("%q: must be %s, %s or %s", k, KindBolt, KindWAL, KindAuto)
}

// Where the log is, one entry of the bbolt file says, which no Raft will ever write: the last possible one. While it is there, the
// log is in the directory wal and what else the bbolt file holds of it does not count. Putting it there, or taking it away,
// is one transaction, and the moment at which a migration happens. Version 0.1.0, which knows nothing of this, finds an entry
// without a checksum at the end of its log and refuses to start, rather than start without the log.
const movedIndex = math.MaxUint64

func moved() *raft.Log {
	return &raft.Log{Index: movedIndex, Type: raft.LogNoop, Data: []byte("the log is in directory wal; start a grafnode that knows it")}
}

// whereabouts tells from the bbolt file where the log is. Neither, if there has never been one.
func whereabouts(bolt raft.LogStore) (Kind, error) {
	last, err := bolt.LastIndex()
	switch {
	case err != nil:
		return "", err
	case last == movedIndex:
		return KindWAL, nil
	case last == 0:
		return "", nil
	default:
		return KindBolt, nil
	}
}

// wanted returns the kind to use.
func (k Kind) wanted(have Kind) Kind {
	switch {
	case k == KindBolt || k == KindWAL:
		return k
	case have != "":
		return have
	default:
		return KindDefault
	}
}

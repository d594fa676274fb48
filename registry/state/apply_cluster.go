package state

import (
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Limits of texts, bytes. Names that people choose keep to api.CheckEdgeName.
const (
	idMax     = 64
	textMax   = 256
	detailMax = 1024
)

// CheckID accepts what can be a key: 1 to idMax printable ASCII characters without blanks.
func CheckID[ID ~string](what string, id ID) error {
	if id == "" || len(id) > idMax {
		return fmt.Errorf("%s of %d bytes, must be 1 to %d: %w", what, len(id), idMax, api.ErrInvalid)
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return fmt.Errorf("%s %q has a character that is not printable ASCII: %w", what, string(id), api.ErrInvalid)
		}
	}
	return nil
}

func checkText(what, s string, most int) error {
	if len(s) > most {
		return fmt.Errorf("%s of %d bytes, at most %d: %w", what, len(s), most, api.ErrInvalid)
	}
	return nil
}

func (Nothing) apply(*draft, Entry) (Result, error) { return Result{}, nil }

func (c InitCluster) apply(d *draft, _ Entry) (Result, error) {
	if err := CheckID("cluster ID", c.Cluster); err != nil {
		return Result{}, err
	}
	if d.cluster != "" && d.cluster != c.Cluster {
		return Result{}, fmt.Errorf("the cluster is %s already: %w", d.cluster, api.ErrConflict)
	}
	d.cluster = c.Cluster
	return Result{}, nil
}

func (c OpenSession) apply(d *draft, e Entry) (Result, error) {
	if err := CheckID("session ID", c.Session); err != nil {
		return Result{}, err
	}
	if err := api.CheckEdgeName(c.Stage); err != nil {
		return Result{}, fmt.Errorf("stage: %w: %w", err, api.ErrInvalid)
	}
	if err := lease.CheckTTL(c.TTL); err != nil {
		return Result{}, fmt.Errorf("session %s: %w: %w", c.Session, err, api.ErrInvalid)
	}
	if len(c.Rules) > 0 {
		if err := c.Rules.Check(); err != nil {
			return Result{}, fmt.Errorf("session %s: %w", c.Session, err)
		}
	}
	if was, ok := d.Session(c.Session); ok {
		if was.Token != c.Token {
			return Result{}, fmt.Errorf("session %s exists: %w", c.Session, api.ErrConflict)
		}
		return Result{Sessions: []Session{was}}, nil // the same command again
	}
	if _, ok := d.Ended(string(c.Session)); ok {
		return Result{}, fmt.Errorf("session %s: %w", c.Session, api.ErrSessionLost)
	}
	if err := d.checkIncarnation(c.Node, c.Incarnation); err != nil {
		return Result{}, fmt.Errorf("session %s: %w", c.Session, err)
	}
	s := Session{
		ID: c.Session, Stage: c.Stage, Node: c.Node, Incarnation: c.Incarnation, PID: c.PID, TTL: c.TTL, Token: c.Token,
		Opened: e.Proposed, Rules: slices.Clone(c.Rules),
	}
	d.putSession(s)
	return Result{Sessions: []Session{s}}, nil
}

func (c AdoptSession) apply(d *draft, _ Entry) (Result, error) {
	s, err := d.liveSession(c.Session)
	if err != nil {
		return Result{}, err
	}
	if s.Token != c.Token {
		return Result{}, fmt.Errorf("session %s: wrong token: %w", c.Session, api.ErrInvalid)
	}
	if s.Node != c.Node {
		return Result{}, fmt.Errorf("session %s is of node %s, not %s: %w", c.Session, s.Node, c.Node, api.ErrInvalid)
	}
	if err := d.checkIncarnation(c.Node, c.Incarnation); err != nil {
		return Result{}, fmt.Errorf("session %s: %w", c.Session, err)
	}
	if s.Incarnation == c.Incarnation {
		return Result{Sessions: []Session{s}}, nil // the same command again
	}
	s.Incarnation = c.Incarnation
	d.putSession(s)
	return Result{Sessions: []Session{s}}, nil
}

func (c EndSession) apply(d *draft, e Entry) (Result, error) {
	s, err := d.liveSession(c.Session)
	if err != nil {
		return Result{}, err
	}
	if c.Incarnation != 0 && c.Incarnation != s.Incarnation {
		return Result{}, fmt.Errorf("session %s was adopted in incarnation %d, seen to end in %d: %w",
			c.Session, s.Incarnation, c.Incarnation, api.ErrConflict)
	}
	return Result{Ended: d.endSession(s, lease.Released, e)}, nil
}

func (c PutCheckpoint) apply(d *draft, e Entry) (Result, error) {
	if err := checkText("checkpoint key", c.Key, textMax); err != nil || c.Key == "" {
		return Result{}, fmt.Errorf("checkpoint key %q: %w", c.Key, api.ErrInvalid)
	}
	cp, ok := d.Checkpoint(c.Key)
	if !ok && d.checkpoints.size() >= CheckpointsMax {
		return Result{}, fmt.Errorf("checkpoint %s: %d exist already: %w", c.Key, CheckpointsMax, api.ErrTooLarge)
	}
	guard := fence.Guard{Current: cp.Epoch}
	if err := guard.Admit(c.Epoch); err != nil {
		return Result{}, fmt.Errorf("checkpoint %s: %w", c.Key, err)
	}
	if c.Write && c.Expect != 0 && c.Expect != cp.Revision {
		return Result{}, fmt.Errorf("checkpoint %s: revision %d, expected %d: %w", c.Key, cp.Revision, c.Expect, api.ErrConflict)
	}
	cp.Key, cp.Epoch, cp.Revision = c.Key, guard.Current, d.now
	if c.Write {
		if len(c.Value) > api.CheckpointBytesMax {
			return Result{}, fmt.Errorf("checkpoint %s of %d bytes, at most %d: %w",
				c.Key, len(c.Value), api.CheckpointBytesMax, api.ErrTooLarge)
		}
		if sum := crc32.Checksum(c.Value, castagnoli); sum != c.Sum {
			return Result{}, fmt.Errorf("checkpoint %s: checksum %08x, computed %08x: %w", c.Key, c.Sum, sum, api.ErrCorrupt)
		}
		cp.Value, cp.Sum = append([]byte{}, c.Value...), c.Sum
	}
	d.checkpoints.put(d.edit, text(cp.Key), &cp)
	return Result{Checkpoint: cp}, nil
}

// liveSession returns a session, or why there is none.
func (s *State) liveSession(id lease.SessionID) (Session, error) {
	live, ok := s.Session(id)
	if !ok {
		status, _ := s.Ended(string(id))
		return Session{}, fmt.Errorf("session %q is not live %s: %w", id, status, api.ErrSessionLost)
	}
	return live, nil
}

package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/hashicorp/raft"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/atomicfile"
	"github.com/grafnode/grafnode/registry/state"
)

// RestoreSnapshot replaces the registry by what SaveSnapshot wrote, on all nodes. The cluster keeps its ID, and all epochs and
// revisions go on above those of both: whoever held anything finds that it is not his any more, and no generation comes twice.
// Leader only.
//
// Refused for a snapshot of another cluster (api.ErrConflict) unless force is set, for a damaged one, and for one of a higher
// level than the cluster is at. An error that wraps api.ErrUnknown means that this node stops, and that the new leader's state is the
// old one or the new: look.
func (r *Registry) RestoreSnapshot(ctx context.Context, in io.Reader, force bool) error {
	if r.readyTerm() == 0 {
		return r.errNotLeader()
	}
	s, info, err := readBackup(in)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	select {
	case r.changing <- struct{}{}: // Raft restores nothing while the group changes
	case <-ctx.Done():
		return fmt.Errorf("restore: %w: %w", api.ErrNoQuorum, context.Cause(ctx))
	}
	done := make(chan error, 1)
	if !r.pending.begin() {
		<-r.changing
		return fmt.Errorf("restore: %w: %w", api.ErrNoQuorum, ErrClosed)
	}
	go func() { // to the end, also when nobody waits for it any more
		defer r.pending.end()
		defer func() { <-r.changing }()
		done <- r.restore(s, force)
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = fmt.Errorf("%w: %w", api.ErrUnknown, context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	r.log.Warn("registry restored from a snapshot", "cluster", info.Cluster, "revision", info.Revision, "taken", info.Taken, "now", r.State().Revision())
	return nil
}

func (r *Registry) restore(s *state.State, force bool) error {
	if err := r.Read(r.life, api.Strict); err != nil {
		return err
	}
	current := r.State()
	if err := s.MayRestoreOver(current, force); err != nil {
		return err
	}
	next := s.RestoredOver(current)
	var b bytes.Buffer
	if err := next.Write(&b); err != nil {
		return err
	}
	// From here on this node may hold a state that the others do not know of, in the place of a log entry. See checkMarks.
	mark := filepath.Join(r.cfg.DataDir, fileRestoring)
	if err := writeMark(mark, restoreMark{next.Revision()}); err != nil {
		return fmt.Errorf("%w: %w", api.ErrNoQuorum, err)
	}
	err := r.raft.Restore(&raft.SnapshotMeta{Version: raft.SnapshotVersionMax, Size: int64(b.Len())}, &b, 0)
	if err == nil {
		// Raft's own entry behind the snapshot is none that the state machine sees; reads wait for one that it does.
		_, err = r.propose(r.life, state.Nothing{})
	}
	switch took := r.State().Revision() >= next.Revision(); {
	case err == nil:
	case errors.Is(err, raft.ErrRaftShutdown) || errors.Is(err, ErrClosed):
		return fmt.Errorf("%w: %w", api.ErrUnknown, err) // the mark stays
	case took:
		err = fmt.Errorf("a snapshot was restored here, but nobody knows whether the cluster has taken it: %w", err)
		r.giveUp(err)
		return fmt.Errorf("%w: %w", api.ErrUnknown, err)
	default:
		err = fmt.Errorf("%w: %w", api.ErrNoQuorum, err)
	}
	return errors.Join(err, atomicfile.Remove(mark))
}

// restoreMark stands in DataDir while a snapshot is being restored on this leader.
type restoreMark struct {
	Revision api.Revision `json:"revision"` // of the new state
}

// checkMarks refuses a directory on which something was begun that this start cannot finish.
//
// A restore that was cut short is like an entry at the end of the log that the cluster may never have heard of, except that
// Raft cannot take it back: the snapshot has replaced what was there before. If the others went on without it this node can
// neither follow nor lead them.
func (r *Registry) checkMarks() error {
	if _, there, err := readMark[recoverMark](filepath.Join(r.cfg.DataDir, fileRecovering)); err != nil || there {
		return errors.Join(err, errUnfinished)
	}
	path := filepath.Join(r.cfg.DataDir, fileRestoring)
	mark, there, err := readMark[restoreMark](path)
	if err != nil || !there {
		return err
	}
	newest, err := r.newestSnapshot()
	if err != nil {
		return err
	}
	if newest.Revision() >= mark.Revision {
		return errHalfRestored
	}
	return atomicfile.Remove(path) // it was cut short before it began
}

var errHalfRestored = errors.New("a snapshot was being restored here when this node stopped, and the others may not have taken it: " +
	"wipe the data directory and join as a new node, or, if no other node is left, run `grafnode operator raft recover`")

func (r *Registry) newestSnapshot() (*state.State, error) {
	list, err := r.snapshots.List()
	if err != nil || len(list) == 0 {
		return state.New(), err
	}
	_, in, err := r.snapshots.Open(list[0].ID)
	if err != nil {
		return nil, err
	}
	s, err := state.Read(in)
	return s, errors.Join(err, in.Close())
}

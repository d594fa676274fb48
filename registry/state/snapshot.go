package state

import (
	"bufio"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
)

// A snapshot is a head, then nodes, sessions, leases, edges, tombstones, checkpoints, ends and tokens, each by key, then a tail that
// counts the frames before it and sums them up, so that a snapshot cut off between two frames is noticed too. Equal states give equal
// bytes. Indexes are computed when it is read.

type snapshotHead struct {
	Cluster   string
	Revision  api.Revision
	Term      uint64
	Floor     fence.Epoch
	Forgotten api.Revision
	Endings   uint64
	Base      api.Revision `codec:",omitempty"` // from level 2 on
	Level     uint64       `codec:",omitempty"` // zero: 1
}

// savedRecord is a record with its history.
type savedRecord struct {
	Record
	Past []Past // oldest first
}

type snapshotTail struct {
	Frames uint64
	Sum    uint32 // CRC32C of all bytes before the tail
}

// Write writes s as a snapshot.
func (s *State) Write(w io.Writer) error {
	sw := snapshotWriter{w: bufio.NewWriter(w), sum: crc32.New(castagnoli)}
	sw.frame(kindSnapshotHead, snapshotHead{
		s.cluster, s.revision, s.term, s.floor, s.forgotten, s.endings, s.base, s.level,
	})
	writeAll(&sw, kindSnapshotNode, s.nodes)
	writeAll(&sw, kindSnapshotSess, s.sessions)
	writeAll(&sw, kindSnapshotLease, s.leases)
	for _, r := range s.edges.all() {
		sw.frame(kindSnapshotEdge, &savedRecord{*r, slices.Collect(r.past.all())})
	}
	writeAll(&sw, kindSnapshotTomb, s.tombstones)
	writeAll(&sw, kindSnapshotCheck, s.checkpoints)
	for _, e := range s.ended.all() {
		sw.frame(kindSnapshotEnded, &e.Ended)
	}
	writeAll(&sw, kindSnapshotToken, s.tokens)
	sw.frame(kindSnapshotTail, snapshotTail{sw.frames, sw.sum.Sum32()})
	if sw.err != nil {
		return sw.err
	}
	return sw.w.Flush()
}

type snapshotWriter struct {
	w      *bufio.Writer
	sum    hash.Hash32
	frames uint64
	value  []byte // of the last frame; reused
	bytes  []byte // the last frame; reused
	err    error
}

func (sw *snapshotWriter) frame(k kind, v any) {
	if sw.err != nil {
		return
	}
	var err error
	if sw.value, err = appendValue(sw.value[:0], v); err == nil {
		sw.bytes, err = appendFrame(sw.bytes[:0], k, sw.value)
	}
	if err == nil {
		_, err = sw.w.Write(sw.bytes)
	}
	if err != nil {
		sw.err = fmt.Errorf("snapshot: %T: %w", v, err)
		return
	}
	sw.sum.Write(sw.bytes)
	sw.frames++
}

func writeAll[T any](sw *snapshotWriter, k kind, all tree[text, *T]) {
	for _, v := range all.all() {
		sw.frame(k, v)
	}
}

// Read reads a snapshot that ends where r ends. It accepts nothing that Write could not have written from a state that
// holds together.
func Read(r io.Reader) (*State, error) {
	sum := crc32.New(castagnoli)
	buffered := bufio.NewReader(r)
	summed := io.TeeReader(buffered, sum)
	d := New().draft(0)
	d.names = map[string]string{}
	var frames uint64
	for {
		before := sum.Sum32()
		k, payload, err := readFrame(summed)
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("cut off after %d frames: %w", frames, api.ErrCorrupt)
		}
		if err == nil && (frames == 0) != (k == kindSnapshotHead) {
			err = fmt.Errorf("frame %d is of kind %d: %w", frames, k, api.ErrCorrupt)
		}
		if err != nil {
			return nil, fmt.Errorf("snapshot: %w", err)
		}
		if k == kindSnapshotTail {
			if err := checkTail(payload, snapshotTail{frames, before}, buffered); err != nil {
				return nil, fmt.Errorf("snapshot: %w", err)
			}
			break
		}
		if err := d.load(k, payload); err != nil {
			return nil, fmt.Errorf("snapshot: frame %d: %w", frames, err)
		}
		frames++
	}
	d.by.ends = d.ended.inOrder()
	if err := d.Verify(); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return d.State, nil
}

func checkTail(payload []byte, want snapshotTail, rest io.ByteReader) error {
	var tail snapshotTail
	if err := decodeValue(payload, &tail, nil); err != nil {
		return err
	}
	if tail != want {
		return fmt.Errorf("tail says %d frames, sum %08x; read %d, %08x: %w",
			tail.Frames, tail.Sum, want.Frames, want.Sum, api.ErrCorrupt)
	}
	if _, err := rest.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("goes on after its tail: %w", api.ErrCorrupt)
	}
	return nil
}

// load puts one frame into the state.
func (d *draft) load(k kind, payload []byte) error {
	switch k {
	case kindSnapshotHead:
		return decodeTo(payload, d.names, func(h snapshotHead) (bool, error) {
			d.cluster, d.revision, d.term = h.Cluster, h.Revision, h.Term
			d.floor, d.forgotten, d.endings = h.Floor, h.Forgotten, h.Endings
			d.base, d.level = h.Base, h.Level
			return false, checkLevel(d.Level())
		})
	case kindSnapshotNode:
		return decodeTo(payload, d.names, func(n Node) (bool, error) {
			twice := d.nodes.has(text(n.ID))
			d.nodes.put(d.edit, text(n.ID), &n)
			return twice, CheckID("node ID", n.ID)
		})
	case kindSnapshotSess:
		return decodeTo(payload, d.names, func(s Session) (bool, error) {
			twice := d.sessions.has(text(s.ID))
			d.loadSession(&s)
			return twice, CheckID("session ID", s.ID)
		})
	case kindSnapshotLease:
		return decodeTo(payload, d.names, func(l Lease) (bool, error) {
			twice := d.leases.has(text(l.ID))
			d.loadLease(&l)
			return twice, CheckID("lease ID", l.ID)
		})
	case kindSnapshotEdge:
		return decodeTo(payload, d.names, func(saved savedRecord) (bool, error) {
			r := saved.Record
			if n := len(saved.Past); n > HistoryMax {
				return false, fmt.Errorf("%d changes, at most %d", n, HistoryMax)
			}
			r.past = queueOf(saved.Past)
			twice := d.edges.has(text(r.Name))
			d.loadRecord(r)
			return twice, api.CheckEdgeName(r.Name)
		})
	default:
		return d.loadSmall(k, payload)
	}
}

func (d *draft) loadSmall(k kind, payload []byte) error {
	switch k {
	case kindSnapshotTomb:
		return decodeTo(payload, d.names, func(t Tombstone) (bool, error) {
			twice := d.tombstones.has(text(t.Name)) || d.edges.has(text(t.Name))
			d.putTombstone(t)
			return twice, api.CheckEdgeName(t.Name)
		})
	case kindSnapshotCheck:
		return decodeTo(payload, d.names, func(c Checkpoint) (bool, error) {
			twice := d.checkpoints.has(text(c.Key))
			d.checkpoints.put(d.edit, text(c.Key), &c)
			return twice, nil
		})
	case kindSnapshotEnded:
		return decodeTo(payload, d.names, func(e Ended) (bool, error) {
			twice := d.ended.get(e.ID) != nil
			d.ended.put(d.edit, e)
			return twice, CheckID("ID", e.ID)
		})
	case kindSnapshotToken:
		return decodeTo(payload, d.names, func(t Token) (bool, error) {
			twice := d.tokens.has(text(t.ID))
			d.tokens.put(d.edit, text(t.ID), &t)
			return twice, t.check()
		})
	default:
		return fmt.Errorf("unknown kind %d: %w", k, ErrNewer)
	}
}

// decodeTo decodes a frame's value and hands it to put, which says whether it was there already.
func decodeTo[T any](payload []byte, names map[string]string, put func(T) (twice bool, err error)) error {
	var v T
	if err := decodeValue(payload, &v, names); err != nil {
		return err
	}
	twice, err := put(v)
	if errors.Is(err, ErrNewer) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%T: %w: %w", v, api.ErrCorrupt, err)
	}
	if twice {
		return fmt.Errorf("%T: there twice: %w", v, api.ErrCorrupt)
	}
	return nil
}

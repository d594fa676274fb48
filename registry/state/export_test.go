package state

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"reflect"
)

var Successor = successor

// Indexes returns the contents of all indexes, to compare with those of a state read from a snapshot.
func (s *State) Indexes() map[string]map[string]string {
	all := map[string]map[string]string{"region": contents(s.by.region), "ends": {},
		"sessions": {}, "leases": {}, "bytes": {}, "roles": {}, "held": {}}
	for id, c := range s.by.node.all() {
		all["sessions"][string(id)] = fmt.Sprint(contents(c.sessions))
		all["leases"][string(id)] = fmt.Sprint(contents(c.leases))
		all["bytes"][string(id)] = fmt.Sprint(c.bytes)
	}
	for id, h := range s.by.session.all() {
		all["roles"][string(id)] = fmt.Sprint(contents(h.edges))
		all["held"][string(id)] = fmt.Sprint(contents(h.leases))
	}
	for e := range s.by.ends.all() {
		if now := s.ended.get(e.ID); now != nil && now.Seq == e.Seq {
			all["ends"][fmt.Sprint(e.Seq)] = e.ID
		}
	}
	return all
}

func contents[K key[K], V any](t tree[K, V]) map[string]string {
	return maps.Collect(func(yield func(string, string) bool) {
		for k, v := range t.all() {
			if !yield(fmt.Sprint(k), fmt.Sprint(v)) {
				return
			}
		}
	})
}

// SameTrees reports whether two states share everything but the revision.
func SameTrees(a, b *State) bool {
	return a.nodes == b.nodes && a.sessions == b.sessions && a.leases == b.leases && a.edges == b.edges &&
		a.tombstones == b.tombstones && a.checkpoints == b.checkpoints && a.tokens == b.tokens && a.ended == b.ended && reflect.DeepEqual(a.by, b.by) &&
		a.cluster == b.cluster && a.floor == b.floor && a.endings == b.endings
}

// ForgetTombstones does what happens when there are too many.
func ForgetTombstones(s *State) *State {
	d := s.draft(s.revision)
	d.forgetTombstones()
	return d.State
}

// Mend sets the checksums of the frames in b right, as far as there are frames, and of the tail over them.
func Mend(b []byte) []byte {
	b = append([]byte(nil), b...)
	rest, frames := b, uint64(0)
	for len(rest) >= frameHead {
		n := binary.LittleEndian.Uint32(rest[2:])
		if uint64(n) > uint64(len(rest)-frameHead) {
			break
		}
		if kind(rest[1]) == kindSnapshotTail {
			payload, _ := appendValue(nil, snapshotTail{frames, crc32.Checksum(b[:len(b)-len(rest)], castagnoli)})
			tail, _ := appendFrame(nil, kindSnapshotTail, payload)
			return append(b[:len(b)-len(rest)], tail...)
		}
		payload := rest[frameHead:][:n]
		binary.LittleEndian.PutUint32(rest[6:], crc32.Update(crc32.Checksum(rest[:6], castagnoli), castagnoli, payload))
		rest, frames = rest[frameHead+n:], frames+1
	}
	return b
}

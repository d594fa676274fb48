package raftguard

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/hashicorp/raft"
)

// Each stored entry carries a CRC32C of its own at the end of Log.Extensions: four bytes, little endian. It is added when an entry
// is written and taken away when it is read, in both kinds of log.

const sumSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum covers all that raft relies on: index, term, type, data, extensions. Not AppendedAt, which is for people.
func sum(log *raft.Log) uint32 {
	var head [21]byte
	binary.LittleEndian.PutUint64(head[0:], log.Index)
	binary.LittleEndian.PutUint64(head[8:], log.Term)
	head[16] = byte(log.Type)
	binary.LittleEndian.PutUint32(head[17:], uint32(len(log.Data)))
	c := crc32.Update(0, castagnoli, head[:])
	c = crc32.Update(c, castagnoli, log.Data)
	return crc32.Update(c, castagnoli, log.Extensions)
}

// sealed returns copies of logs with their checksums. The logs are left alone: raft keeps them in memory too.
func sealed(logs []*raft.Log) []*raft.Log {
	out := make([]*raft.Log, len(logs))
	entries := make([]raft.Log, len(logs))
	for i, log := range logs {
		entries[i] = *log
		n := len(log.Extensions)
		entries[i].Extensions = binary.LittleEndian.AppendUint32(append(make([]byte, 0, n+sumSize), log.Extensions...), sum(log))
		out[i] = &entries[i]
	}
	return out
}

// unseal checks the entry that was read for index and takes its checksum away.
func unseal(index uint64, entry *raft.Log) error {
	n := len(entry.Extensions) - sumSize
	if n < 0 {
		return fmt.Errorf("has no checksum: %w", ErrCorrupt)
	}
	stored := binary.LittleEndian.Uint32(entry.Extensions[n:])
	entry.Extensions = entry.Extensions[:n:n]
	if n == 0 {
		entry.Extensions = nil
	}
	if got := sum(entry); entry.Index != index || got != stored {
		return fmt.Errorf("(says %d) has checksum %08x, computed %08x: %w", entry.Index, stored, got, ErrCorrupt)
	}
	return nil
}

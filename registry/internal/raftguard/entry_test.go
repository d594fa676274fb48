package raftguard

import (
	"bytes"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
)

// What raft-boltdb and raft-wal do with an entry between us and the disk.

func encodeEntry(kind Kind, log *raft.Log) ([]byte, error) {
	var b bytes.Buffer
	if kind == KindBolt {
		err := codec.NewEncoder(&b, &codec.MsgpackHandle{}).Encode(log)
		return b.Bytes(), err
	}
	err := (&wal.BinaryCodec{}).Encode(log, &b)
	return b.Bytes(), err
}

func decodeEntry(kind Kind, b []byte, log *raft.Log) error {
	if kind == KindBolt {
		return codec.NewDecoder(bytes.NewReader(b), &codec.MsgpackHandle{}).Decode(log)
	}
	return (&wal.BinaryCodec{}).Decode(b, log)
}

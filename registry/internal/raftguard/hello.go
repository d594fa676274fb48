package raftguard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/hashicorp/raft"
)

// Every connection between nodes begins with a hello and its answer, before any of Raft's messages. Both are frames:
//
//	offset  size  what
//	0       1     0: a hello of version 0.1.0 begins with the length of a name, which is never 0
//	1       1     version, 1
//	2       1     kind: of the hello what the connection is for, of the answer what is wrong
//	3       8     process, big endian: a number that every start of a node draws anew
//	11      8     index, big endian: the last log entry of who speaks
//	19      2     length of the four texts together with their length bytes, big endian
//	21      ...   four texts, each behind a byte with its length: who speaks, who is meant, which cluster ("": none yet), and
//	              whom an opinion is asked about
//
// In the question for an opinion, process is that of the node which it is about.

const (
	helloVersion = 1
	helloHead    = 21
	textMax      = 255
	textsMax     = 4 * (1 + textMax)
)

type kind byte

// What a connection is for.
const (
	forRaft kind = iota
	forProbe
	forOpinion
)

// What is wrong with it.
const (
	isFine kind = iota
	isAnotherServer
	isAnotherCluster
	isMalformed
	isAlive // of the node that an opinion was asked about
	isGone
)

var (
	// ErrAnotherServer says that whoever listens at a server's address is not that server.
	ErrAnotherServer = errors.New("another server is at that address")
	// ErrAnotherCluster says that a peer belongs to another cluster, or to another lineage of this one.
	ErrAnotherCluster = errors.New("the peer belongs to another cluster")

	errHello = errors.New("not a hello that this version understands")
	errOld   = errors.New("a hello of version 0.1.0")
)

type hello struct {
	kind    kind
	process uint64
	index   uint64
	from    raft.ServerID
	to      raft.ServerID
	cluster string
	about   raft.ServerID
}

// newProcess draws a number for this start of the node.
func newProcess() uint64 { return rand.Uint64() | 1 } // never 0

func (h hello) bytes() ([]byte, error) {
	b := make([]byte, helloHead, helloHead+textsMax)
	b[1], b[2] = helloVersion, byte(h.kind)
	binary.BigEndian.PutUint64(b[3:], h.process)
	binary.BigEndian.PutUint64(b[11:], h.index)
	for _, text := range []string{string(h.from), string(h.to), h.cluster, string(h.about)} {
		if len(text) > textMax {
			return nil, fmt.Errorf("%q is longer than %d bytes", text, textMax)
		}
		b = append(append(b, byte(len(text))), text...)
	}
	binary.BigEndian.PutUint16(b[19:], uint16(len(b)-helloHead))
	return b, nil
}

// readHello reads a hello or an answer. Of a hello of version 0.1.0, which is a name behind its length, it returns the name as to,
// and errOld.
func readHello(r io.Reader) (h hello, err error) {
	var head [helloHead]byte
	if _, err := io.ReadFull(r, head[:1]); err != nil {
		return h, err
	}
	if n := head[0]; n != 0 {
		name := make([]byte, n)
		if _, err := io.ReadFull(r, name); err != nil {
			return h, err
		}
		return hello{to: raft.ServerID(name)}, errOld
	}
	if _, err := io.ReadFull(r, head[1:]); err != nil {
		return h, err
	}
	n := binary.BigEndian.Uint16(head[19:])
	if head[1] != helloVersion || n > textsMax {
		return h, fmt.Errorf("%w: version %d, %d bytes of text", errHello, head[1], n)
	}
	texts := make([]byte, n)
	if _, err := io.ReadFull(r, texts); err != nil {
		return h, err
	}
	h.kind, h.process, h.index = kind(head[2]), binary.BigEndian.Uint64(head[3:]), binary.BigEndian.Uint64(head[11:])
	var from, to, about string
	for _, text := range []*string{&from, &to, &h.cluster, &about} {
		if len(texts) == 0 || int(texts[0]) > len(texts)-1 {
			return h, fmt.Errorf("%w: texts are cut short", errHello)
		}
		*text, texts = string(texts[1:1+texts[0]]), texts[1+texts[0]:]
	}
	if len(texts) != 0 {
		return h, fmt.Errorf("%w: %d bytes too many", errHello, len(texts))
	}
	h.from, h.to, h.about = raft.ServerID(from), raft.ServerID(to), raft.ServerID(about)
	return h, nil
}

// mixes reports whether two nodes must not talk: both know their cluster, and it is not the same. A node that has none yet may be
// spoken to by the cluster that takes it in.
func mixes(a, b string) bool { return a != "" && b != "" && a != b }

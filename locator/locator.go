package locator

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"

	"github.com/grafnode/grafnode/fence"
)

// Version is the version of the encoding that this code writes. Older versions are read for ever.
const Version = 1

// BytesMax bounds an encoded locator; nothing longer is looked at.
const BytesMax = 1 << 10

var (
	// ErrCorrupt says that a locator's bytes are damaged. Terminal: ask the registry again.
	ErrCorrupt = errors.New("locator: corrupt")
	// ErrVersion says that a locator was written by a newer version of grafnode. Terminal: upgrade this side.
	ErrVersion = errors.New("locator: unknown version")
)

// NodeID is a node's identity: it survives restarts and address changes, and a wiped node gets a new one.
type NodeID string

// ArenaID names an arena. An arena has the name of the lease that grants it, and like a lease is never used again.
type ArenaID string

// Kind says what a locator points at.
type Kind uint8

// The kinds. Zero is no kind, so that a forgotten field is an error.
const (
	Queue  Kind = 1 // a ring in leased memory
	Memory Kind = 2 // a byte range in leased memory
	Block  Kind = 3 // a range of a node's durable block storage
)

var kindNames = map[Kind]string{Queue: "queue", Memory: "memory", Block: "block"}

// String returns the kind's name in the API.
func (k Kind) String() string {
	if s, ok := kindNames[k]; ok {
		return s
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Locator says where something leased lies. It is a value; two equal locators lead to the same place.
type Locator struct {
	Kind       Kind
	Node       NodeID
	Zone       string
	Address    string      // host:port of the node's one TCP port
	Arena      ArenaID     // which of the node's arenas or block regions
	Generation fence.Epoch // the epoch under which it was granted; zero for regions outside an edge
	Offset     uint64      // where in the arena it begins, bytes
	Bytes      uint64      // how long it is, bytes
}

// IsZero reports whether l points nowhere.
func (l Locator) IsZero() bool { return l == Locator{} }

// Validate reports what is missing or malformed.
func (l Locator) Validate() error {
	switch {
	case kindNames[l.Kind] == "":
		return fmt.Errorf("locator: unknown kind %d", l.Kind)
	case l.Node == "":
		return errors.New("locator: no node")
	case l.Arena == "":
		return errors.New("locator: no arena")
	case l.Bytes == 0 || l.Offset+l.Bytes < l.Offset:
		return fmt.Errorf("locator: impossible range %d+%d", l.Offset, l.Bytes)
	}
	if _, err := netip.ParseAddrPort(l.Address); err != nil {
		return fmt.Errorf("locator: address: %w", err)
	}
	return nil
}

// String returns a short form for people.
func (l Locator) String() string {
	return fmt.Sprintf("%s %s@%s(%s) generation %d", l.Kind, l.Arena, l.Node, l.Address, l.Generation)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The encoding, little-endian: version (1 byte), kind (1), generation (8), offset (8), bytes (8), then node, zone,
// address and arena, each with a 2-byte length before it, then CRC32C of all that (4).
const fixedBytes = 1 + 1 + 8 + 8 + 8

// MarshalBinary returns the encoding of l.
func (l Locator) MarshalBinary() ([]byte, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	b := l.body()
	if len(b)+4 > BytesMax {
		return nil, fmt.Errorf("locator: %d bytes, at most %d", len(b)+4, BytesMax)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

func (l Locator) body() []byte {
	b := []byte{Version, byte(l.Kind)}
	b = binary.LittleEndian.AppendUint64(b, uint64(l.Generation))
	b = binary.LittleEndian.AppendUint64(b, l.Offset)
	b = binary.LittleEndian.AppendUint64(b, l.Bytes)
	for _, s := range []string{string(l.Node), l.Zone, l.Address, string(l.Arena)} {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(s)))
		b = append(b, s...)
	}
	return b
}

// UnmarshalBinary reads an encoding that fills b. On error l is unchanged.
func (l *Locator) UnmarshalBinary(b []byte) error {
	if len(b) < fixedBytes+4 || len(b) > BytesMax {
		return fmt.Errorf("%d bytes: %w", len(b), ErrCorrupt)
	}
	if b[0] != Version {
		return fmt.Errorf("version %d, this side knows %d: %w", b[0], Version, ErrVersion)
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if got := crc32.Checksum(body, castagnoli); got != sum {
		return fmt.Errorf("checksum %08x, computed %08x: %w", sum, got, ErrCorrupt)
	}
	n := Locator{
		Kind:       Kind(body[1]),
		Generation: fence.Epoch(binary.LittleEndian.Uint64(body[2:])),
		Offset:     binary.LittleEndian.Uint64(body[10:]),
		Bytes:      binary.LittleEndian.Uint64(body[18:]),
	}
	rest := body[fixedBytes:]
	var texts [4]string
	for i := range texts {
		if len(rest) < 2 || len(rest)-2 < int(binary.LittleEndian.Uint16(rest)) {
			return fmt.Errorf("text %d is cut off: %w", i, ErrCorrupt)
		}
		end := 2 + int(binary.LittleEndian.Uint16(rest))
		texts[i], rest = string(rest[2:end]), rest[end:]
	}
	if len(rest) != 0 {
		return fmt.Errorf("%d bytes too many: %w", len(rest), ErrCorrupt)
	}
	n.Node, n.Zone, n.Address, n.Arena = NodeID(texts[0]), texts[1], texts[2], ArenaID(texts[3])
	if err := n.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	*l = n
	return nil
}

// wire is the JSON form: the same fields by name, and the checksum of the binary form.
type wire struct {
	Version    uint8       `json:"version"`
	Kind       string      `json:"kind"`
	Node       NodeID      `json:"node"`
	Zone       string      `json:"zone"`
	Address    string      `json:"address"`
	Arena      ArenaID     `json:"arena"`
	Generation fence.Epoch `json:"generation"`
	Offset     uint64      `json:"offset"`
	Bytes      uint64      `json:"bytes"`
	Checksum   string      `json:"checksum"`
}

func (l Locator) checksum() string {
	sum := crc32.Checksum(l.body(), castagnoli)
	return hex.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// MarshalJSON returns the JSON form; a zero locator is null.
func (l Locator) MarshalJSON() ([]byte, error) {
	return l.AppendJSON(make([]byte, 0, 320))
}

// AppendJSON appends what MarshalJSON returns.
func (l Locator) AppendJSON(b []byte) ([]byte, error) {
	if l.IsZero() {
		return append(b, "null"...), nil
	}
	if plain, ok := l.appendPlain(b); ok {
		return plain, nil
	}
	slow, err := json.Marshal(wire{Version, l.Kind.String(), l.Node, l.Zone, l.Address, l.Arena, l.Generation, l.Offset,
		l.Bytes, l.checksum()})
	return append(b, slow...), err
}

// UnmarshalJSON reads the JSON form and verifies its checksum.
func (l *Locator) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*l = Locator{}
		return nil
	}
	var w wire
	if !w.parsePlain(b) {
		w = wire{}
		if err := json.Unmarshal(b, &w); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	if w.Version != Version {
		return fmt.Errorf("version %d, this side knows %d: %w", w.Version, Version, ErrVersion)
	}
	n := Locator{Node: w.Node, Zone: w.Zone, Address: w.Address, Arena: w.Arena, Generation: w.Generation,
		Offset: w.Offset, Bytes: w.Bytes}
	for k, name := range kindNames {
		if name == w.Kind {
			n.Kind = k
		}
	}
	if err := n.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if got := n.checksum(); got != w.Checksum {
		return fmt.Errorf("checksum %q, computed %s: %w", w.Checksum, got, ErrCorrupt)
	}
	*l = n
	return nil
}

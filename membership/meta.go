package membership

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
)

// A member's metadata, which memberlist limits to 512 bytes:
//
//	offset  bytes  what
//	0       1      version of the layout: 1
//	1       1      flags
//	2       1-10   free memory in bytes, uvarint
//	..      1-3    expected nodes, uvarint
//	..      1+n    name, zone, address, cluster, version: five texts, each with its length before it
//	..      1-10   level, uvarint: newest version of the replicated state that its binary knows; 0.1.0 does not say, and knows 1
//	..      1-10   needs, uvarint: version of the state that it holds; likewise
//	..      1+n    direct, a text: where its adapter for RDMA is reached, and the network; empty, or missing: it has none
//
// What follows is ignored, so that later versions can add to it; a layout that changes what stands here gets another number.
const (
	metaVersion  = 1
	metaTextMax  = 64
	metaTexts    = 5
	metaBytesMax = 1 + 1 + binary.MaxVarintLen64 + 3 + (metaTexts+1)*(1+metaTextMax) + 2*binary.MaxVarintLen64
	expectMax    = 1<<16 - 1

	memberlistMetaMax = 512
)

const _ = uint(memberlistMetaMax - metaBytesMax) // fails to compile if the largest metadata does not fit

const (
	flagHasState = 1 << 0
	flagLeaving  = 1 << 1 // about to leave: its disappearance is not a failure
)

// errMeta says that metadata could not be understood. It stays inside: such a member is ignored, and logged.
var errMeta = errors.New("bad metadata")

// meta is what a node gossips about itself.
type meta struct {
	hasState, leaving                     bool
	free                                  uint64
	expect                                int
	name, zone, address, cluster, version string
	level, needs                          uint64
	direct                                string
}

func (m *meta) texts() [metaTexts]*string {
	return [metaTexts]*string{&m.name, &m.zone, &m.address, &m.cluster, &m.version}
}

// encode returns m's bytes: at most metaBytesMax if m is valid.
func (m meta) encode() []byte {
	var flags byte
	if m.hasState {
		flags |= flagHasState
	}
	if m.leaving {
		flags |= flagLeaving
	}
	b := append(make([]byte, 0, metaBytesMax), metaVersion, flags)
	b = binary.AppendUvarint(b, m.free)
	b = binary.AppendUvarint(b, uint64(m.expect))
	for _, text := range m.texts() {
		b = append(append(b, byte(len(*text))), *text...)
	}
	b = binary.AppendUvarint(b, m.level)
	b = binary.AppendUvarint(b, m.needs)
	return append(append(b, byte(len(m.direct))), m.direct...)
}

// decodeMeta reads what another node sent. b is not kept.
func decodeMeta(b []byte) (meta, error) {
	if len(b) < 2 {
		return meta{}, fmt.Errorf("%w: %d bytes", errMeta, len(b))
	}
	if b[0] != metaVersion {
		return meta{}, fmt.Errorf("%w: version %d, this node knows %d", errMeta, b[0], metaVersion)
	}
	m := meta{hasState: b[1]&flagHasState != 0, leaving: b[1]&flagLeaving != 0}
	b = b[2:]
	var expect uint64
	for _, number := range []*uint64{&m.free, &expect} {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return meta{}, fmt.Errorf("%w: a number is cut off or too large", errMeta)
		}
		*number, b = v, b[n:]
	}
	for _, text := range m.texts() {
		if len(b) == 0 || len(b)-1 < int(b[0]) {
			return meta{}, fmt.Errorf("%w: a text is cut off", errMeta)
		}
		n := 1 + int(b[0])
		*text, b = string(b[1:n]), b[n:]
	}
	m.level, m.needs = 1, 1
	for _, number := range []*uint64{&m.level, &m.needs} {
		if len(b) == 0 {
			break // 0.1.0 ends here
		}
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return meta{}, fmt.Errorf("%w: a level is cut off or too large", errMeta)
		}
		*number, b = max(1, v), b[n:]
	}
	if len(b) > 0 {
		if len(b)-1 < int(b[0]) {
			return meta{}, fmt.Errorf("%w: a text is cut off", errMeta)
		}
		m.direct = string(b[1 : 1+int(b[0])])
	}
	m.expect = int(min(expect, math.MaxInt32))
	if err := m.validate(); err != nil {
		return meta{}, fmt.Errorf("%w: %w", errMeta, err)
	}
	return m, nil
}

// validate checks what both sides rely on. Texts end up in logs, metrics and terminals.
func (m meta) validate() error {
	for i, text := range m.texts() {
		if err := checkText(*text); err != nil {
			return fmt.Errorf("%s: %w", [metaTexts]string{"name", "zone", "address", "cluster", "version"}[i], err)
		}
	}
	if m.expect < 0 || m.expect > expectMax {
		return fmt.Errorf("%d nodes expected, must be 0 to %d", m.expect, expectMax)
	}
	if _, err := netip.ParseAddrPort(m.address); err != nil {
		return fmt.Errorf("address: %w", err)
	}
	if m.direct == "" {
		return nil
	}
	if _, err := netip.ParsePrefix(m.direct); err != nil || len(m.direct) > metaTextMax {
		return fmt.Errorf("direct: %q is no address with its network", m.direct)
	}
	return nil
}

func checkText(s string) error {
	if len(s) > metaTextMax {
		return fmt.Errorf("%d bytes, at most %d", len(s), metaTextMax)
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return fmt.Errorf("%q: printable ASCII without spaces only", s)
		}
	}
	return nil
}

package locator

import (
	"math"
	"strconv"
	"strings"

	"github.com/grafnode/grafnode/fence"
)

// Every record that goes over the wire has a locator, and package json takes longer over it than over the rest of the record. So
// the form that this code itself writes has a way of its own, there and back: the same fields in the same order, no spaces, no
// text that needs an escape. All else goes through package json, which also says what is wrong with it.

// isPlain reports whether package json writes c in a string as it is.
func isPlain(c byte) bool {
	return c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
}

// appendPlain appends what json.Marshal would write; false: it has to.
func (l Locator) appendPlain(b []byte) ([]byte, bool) {
	plain := true
	text := func(name, s string) {
		for i := range len(s) {
			plain = plain && isPlain(s[i])
		}
		b = append(append(append(append(b, name...), '"'), s...), '"')
	}
	number := func(name string, n uint64) { b = strconv.AppendUint(append(b, name...), n, 10) }
	number(`{"version":`, Version)
	text(`,"kind":`, l.Kind.String())
	text(`,"node":`, string(l.Node))
	text(`,"zone":`, l.Zone)
	text(`,"address":`, l.Address)
	text(`,"arena":`, string(l.Arena))
	number(`,"generation":`, uint64(l.Generation))
	number(`,"offset":`, l.Offset)
	number(`,"bytes":`, l.Bytes)
	text(`,"checksum":`, l.checksum())
	return append(b, '}'), plain
}

// parsePlain reads what appendPlain wrote; false: it did not write this.
func (w *wire) parsePlain(b []byte) bool {
	s, plain := string(b), true // one copy, of which all texts are parts
	after := func(name string) {
		var ok bool
		s, ok = strings.CutPrefix(s, name)
		plain = plain && ok
	}
	text := func(name string) (v string) {
		after(name + `"`)
		n := 0
		for n < len(s) && isPlain(s[n]) {
			n++
		}
		v, s = s[:n], s[n:]
		after(`"`)
		return v
	}
	number := func(name string) uint64 {
		after(name)
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		v, err := strconv.ParseUint(s[:n], 10, 64)
		plain = plain && err == nil && (s[0] != '0' || n == 1)
		s = s[n:]
		return v
	}
	version := number(`{"version":`)
	*w = wire{Kind: text(`,"kind":`), Node: NodeID(text(`,"node":`)), Zone: text(`,"zone":`), Address: text(`,"address":`),
		Arena: ArenaID(text(`,"arena":`)), Generation: fence.Epoch(number(`,"generation":`)), Offset: number(`,"offset":`),
		Bytes: number(`,"bytes":`), Checksum: text(`,"checksum":`)}
	after(`}`)
	w.Version = uint8(version & math.MaxUint8)
	return plain && s == "" && version <= math.MaxUint8
}

package state

import (
	"encoding/binary"
	"math"
)

// canonical writes and reads values field by field, in the order of the fields' names: the bytes that msgpack gives for them, many times
// as fast, for what stands in the log and in snapshots most. Each such type says once which fields it has, for both ways.
//
// It reads what it writes. Bytes in any other form, also malformed ones, it leaves to msgpack, so that what is accepted, and what the
// errors are, is msgpack's to say.
type canonical struct {
	b       []byte // writing: so far; reading: the rest
	reading bool
	bad     bool // reading: not in this form
	left    int  // reading: fields of the present value to come
	names   map[string]string
}

// fielded is a value with fields. fields calls one method or function for each, in the order of their names.
type fielded interface{ fields(c *canonical) }

// read fills v from b. False: b is not in canonical form, and v is undefined. Strings that are in names already are shared.
func read(b []byte, v fielded, names map[string]string) bool {
	c := canonical{b: b, reading: true, names: names}
	v.fields(&c)
	return !c.bad && c.left == 0 && len(c.b) == 0
}

// write appends v to b.
func write(b []byte, v fielded) []byte {
	c := canonical{b: b}
	v.fields(&c)
	return c.b
}

// The bytes that begin values of msgpack.
const (
	mpNil   = 0xc0
	mpFalse = 0xc2
	mpTrue  = 0xc3
	mpBin8  = 0xc4
	mpUint8 = 0xcc // and three more, for 2, 4 and 8 bytes
	mpInt8  = 0xd0 // likewise
	mpStr8  = 0xd9
	mpStr16 = 0xda
	mpArray = 0x90 // up to 15 elements
	mpArr16 = 0xdc
	mpArr32 = 0xdd
	mpMap   = 0x80 // up to 15 fields
	mpStr   = 0xa0 // up to 31 bytes
)

// value begins a value of n fields, 15 at most. Of those that may be left out present says which are written; when reading, none need be there.
func (c *canonical) value(n int, present ...bool) {
	if c.reading {
		c.left = int(c.next()) - mpMap
		c.bad = c.bad || c.left < n-len(present) || c.left > n
		return
	}
	for _, p := range present {
		if !p {
			n--
		}
	}
	c.b = append(c.b, mpMap|byte(n))
}

// nested reads or writes a value within a value.
func (c *canonical) nested(v fielded) {
	left := c.left
	v.fields(c)
	c.bad = c.bad || c.left != 0
	c.left = left
}

// name says which field comes. False: reading, and it does not.
func (c *canonical) name(name string) bool {
	if !c.reading {
		c.b = append(append(c.b, mpStr|byte(len(name))), name...)
		return true
	}
	if !c.optional(name) {
		c.bad = true
	}
	return !c.bad
}

// optional reports whether the field comes next, and begins it.
func (c *canonical) optional(name string) bool {
	n := len(name)
	if c.bad || len(c.b) <= n || c.b[0] != mpStr|byte(n) || string(c.b[1:n+1]) != name {
		return false
	}
	c.b = c.b[n+1:]
	c.left--
	return true
}

// present reports whether a field that may be left out is there, and begins it. Writing, there is what is set.
func (c *canonical) present(name string, set bool) bool {
	if c.reading {
		return c.optional(name)
	}
	return set && c.name(name)
}

// next reads one byte.
func (c *canonical) next() byte {
	b := c.take(1)
	if len(b) == 0 {
		return mpNil
	}
	return b[0]
}

// take reads n bytes; nil if there are not so many.
func (c *canonical) take(n int) []byte {
	if c.bad || n > len(c.b) {
		c.bad = true
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

// number reads n bytes, big-endian.
func (c *canonical) number(n int) (v uint64) {
	for _, b := range c.take(n) {
		v = v<<8 | uint64(b)
	}
	return v
}

// count reads or writes how many elements a list has; -1 is none at all, another thing than empty. Each takes one byte or more,
// so there are never more than there are bytes left.
func (c *canonical) count(n int) int {
	if !c.reading {
		switch {
		case n < 0:
			c.b = append(c.b, mpNil)
		case n < 16:
			c.b = append(c.b, mpArray|byte(n))
		case n <= math.MaxUint16:
			c.b = binary.BigEndian.AppendUint16(append(c.b, mpArr16), uint16(n))
		default:
			c.b = binary.BigEndian.AppendUint32(append(c.b, mpArr32), uint32(n))
		}
		return n
	}
	switch head := c.next(); {
	case head == mpNil:
		n = -1
	case head&0xf0 == mpArray:
		n = int(head & 0x0f)
	case head == mpArr16:
		n = int(c.number(2))
	case head == mpArr32:
		n = int(c.number(4))
	default:
		c.bad = true
	}
	if n > len(c.b) {
		c.bad = true
	}
	return n
}

// whole is a field of a type without sign.
func whole[N ~uint64](c *canonical, name string, n *N) {
	if c.name(name) {
		unsigned(c, n)
	}
}

func unsigned[N ~uint64](c *canonical, n *N) {
	if !c.reading {
		c.b = appendWhole(c.b, uint64(*n))
		return
	}
	switch head := c.next(); {
	case head < 0x80:
		*n = N(head)
	case head >= mpUint8 && head < mpUint8+4:
		*n = N(c.number(1 << (head - mpUint8)))
	default:
		c.bad = true
	}
}

func appendWhole(b []byte, n uint64) []byte {
	switch {
	case n <= math.MaxInt8:
		return append(b, byte(n))
	case n <= math.MaxUint8:
		return append(b, mpUint8, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, mpUint8+1), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, mpUint8+2), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, mpUint8+3), n)
	}
}

// signed is a field of a type with sign.
func signed[N ~int64 | ~int](c *canonical, name string, n *N) {
	if !c.name(name) {
		return
	}
	if !c.reading {
		c.b = appendSigned(c.b, int64(*n))
		return
	}
	switch head := c.next(); {
	case head < 0x80 || head >= 0xe0:
		*n = N(int8(head))
	case head >= mpInt8 && head < mpInt8+4:
		bytes := 1 << (head - mpInt8)
		unused := 64 - 8*bytes
		*n = N(int64(c.number(bytes)<<unused) >> unused)
	default:
		c.bad = true
	}
}

func appendSigned(b []byte, n int64) []byte {
	switch {
	case n >= -32 && n <= math.MaxInt8:
		return append(b, byte(n))
	case n >= math.MinInt8 && n < 0:
		return append(b, mpInt8, byte(n))
	case n >= math.MinInt16 && n <= math.MaxInt16:
		return binary.BigEndian.AppendUint16(append(b, mpInt8+1), uint16(n))
	case n >= math.MinInt32 && n <= math.MaxInt32:
		return binary.BigEndian.AppendUint32(append(b, mpInt8+2), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, mpInt8+3), uint64(n))
	}
}

// flag is a field that is true or false.
func (c *canonical) flag(name string, v *bool) {
	if c.name(name) {
		c.truth(v)
	}
}

// mark is a flag that is left out when it is false.
func (c *canonical) mark(name string, v *bool) {
	if c.present(name, *v) {
		c.truth(v)
	}
}

func (c *canonical) truth(v *bool) {
	if !c.reading {
		c.b = append(c.b, mpFalse)
		if *v {
			c.b[len(c.b)-1] = mpTrue
		}
		return
	}
	head := c.next()
	*v = head == mpTrue
	c.bad = c.bad || head != mpTrue && head != mpFalse
}

// sum is a field of 32 bytes.
func (c *canonical) sum(name string, v *[32]byte) {
	if !c.name(name) {
		return
	}
	if !c.reading {
		c.b = append(append(c.b, mpBin8, byte(len(v))), v[:]...)
		return
	}
	if b := c.take(2 + len(v)); b != nil {
		copy(v[:], b[2:])
		c.bad = b[0] != mpBin8 || int(b[1]) != len(v)
	}
}

// word is a field that is text, and likely to be there more than once.
func word[S ~string](c *canonical, name string, s *S) {
	if c.name(name) {
		content(c, s, true)
	}
}

// words is a word that is left out when it is empty.
func words[S ~string](c *canonical, name string, s *S) {
	if c.reading && c.optional(name) || !c.reading && *s != "" && c.name(name) {
		content(c, s, true)
	}
}

// prose is a field that is text of its own.
func prose[S ~string](c *canonical, name string, s *S) {
	if c.name(name) {
		content(c, s, false)
	}
}

func content[S ~string](c *canonical, s *S, share bool) {
	n := len(*s)
	if !c.reading {
		switch {
		case n < 32:
			c.b = append(c.b, mpStr|byte(n))
		case n <= math.MaxUint8:
			c.b = append(c.b, mpStr8, byte(n))
		case n <= math.MaxUint16:
			c.b = binary.BigEndian.AppendUint16(append(c.b, mpStr16), uint16(n))
		default:
			c.b = binary.BigEndian.AppendUint32(append(c.b, mpStr16+1), uint32(n))
		}
		c.b = append(c.b, *s...)
		return
	}
	switch head := c.next(); {
	case head&0xe0 == mpStr:
		n = int(head & 0x1f)
	case head == mpStr8:
		n = int(c.number(1))
	case head == mpStr16:
		n = int(c.number(2))
	default:
		c.bad = true
		return
	}
	if b := c.take(n); !c.bad {
		*s = S(c.string(b, share))
	}
}

// string returns b as a string, as one that is there already if it can.
func (c *canonical) string(b []byte, share bool) string {
	if !share || len(b) == 0 || len(b) > idMax {
		return string(b)
	}
	if s, ok := known[string(b)]; ok {
		return s
	}
	if c.names == nil {
		return string(b)
	}
	s, ok := c.names[string(b)]
	if !ok {
		s = string(b)
		c.names[s] = s
	}
	return s
}

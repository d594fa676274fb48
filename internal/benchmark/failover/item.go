package failover

import (
	"encoding/binary"

	"github.com/grafnode/grafnode/lease"
)

// An item is itemBytes long: its number, when it was pushed, and then what follows from the number.
const (
	itemBytes = 64
	numberAt  = 0
	pushedAt  = 8
	restAt    = 16
)

// fill makes b the item of a number.
func fill(b []byte, number uint64, pushed lease.Instant) {
	binary.LittleEndian.PutUint64(b[numberAt:], number)
	binary.LittleEndian.PutUint64(b[pushedAt:], uint64(pushed))
	for i := restAt; i < itemBytes; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], mix(number+uint64(i)))
	}
}

// check returns what an item says of itself, and whether it is whole.
func check(b []byte) (number uint64, pushed lease.Instant, ok bool) {
	if len(b) != itemBytes {
		return 0, 0, false
	}
	number, ok = binary.LittleEndian.Uint64(b[numberAt:]), true
	for i := restAt; i < itemBytes; i += 8 {
		ok = ok && binary.LittleEndian.Uint64(b[i:]) == mix(number+uint64(i))
	}
	return number, lease.Instant(binary.LittleEndian.Uint64(b[pushedAt:])), ok
}

// mix makes numbers of which no bit tells the next.
func mix(v uint64) uint64 {
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}

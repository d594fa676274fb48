//go:build fabricdebug

package borrow

import "bytes"

// Poisons says whether records are overwritten after use.
const Poisons = true

// Lend calls f with a copy of record, and overwrites it.
func Lend(record []byte, f func([]byte) error) error {
	lent := append(make([]byte, 0, len(record)), record...)
	defer copy(lent, bytes.Repeat([]byte{Poison}, len(lent)))
	return f(lent)
}

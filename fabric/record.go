package fabric

// HeaderBytes is the header of a record in a ring's data. The payload follows it, and padding to a multiple of 8. The header is
// the payload's length (low half, little-endian) and a mark that depends on length, place and generation, so that stray bytes
// are not taken for a record.
const HeaderBytes = 8

// RecordBytes is what a record of n bytes takes in a ring's data.
func RecordBytes(n int) uint64 { return (uint64(n) + HeaderBytes + 7) &^ 7 }

// Seed starts the marks of one generation.
func Seed(generation uint64) uint32 { return uint32(generation^generation>>32) * 0x85EBCA6B }

// Header is the header of a record of n bytes at the cursor at.
func Header(seed uint32, at uint64, n uint32) uint64 {
	mark := (uint32(at>>3)^n*0xC2B2AE35)*0x9E3779B1 ^ seed
	return uint64(mark)<<32 | uint64(n)
}

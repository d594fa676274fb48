package fabric

// In a ring's data records lie in rows: a header, and behind it up to RowMax records of one length, each padded to a multiple of 8. Records of one
// length that are committed one behind the other share a row, as far as they are published together; any other is a row of its own.
//
// HeaderBytes is the header of a row, little-endian:
//
//	bits
//	 0 to 31  length of each record, without padding
//	32 to 39  records in the row, less one
//	40 to 63  a mark that depends on the rest, the place and the generation, so that stray bytes are not taken for a row
const HeaderBytes = 8

// RowMax is how many records a row has at most. Together they take no more than the longest record may, so that whatever has room for
// that has room for a row.
const RowMax = 256

// RecordBytes is what a record of n bytes takes in a ring's data at most: as a row of its own.
func RecordBytes(n int) uint64 { return HeaderBytes + padded(uint64(n)) }

func padded(n uint64) uint64 { return (n + 7) &^ 7 }

// Seed starts the marks of one generation.
func Seed(generation uint64) uint32 { return uint32(generation^generation>>32) * 0x85EBCA6B }

// Header is the header of a row of count records of n bytes each, at the cursor at.
func Header(seed uint32, at uint64, n, count uint32) uint64 {
	says := uint64(count-1)<<32 | uint64(n)
	mark := (uint32(at>>3)^n*0xC2B2AE35^count*0x27D4EB2F)*0x9E3779B1 ^ seed
	return uint64(mark>>8)<<40 | says
}

// Row is what a header says.
type Row struct {
	Length uint64 // of each record
	Stride uint64 // from one to the next
	Count  uint64
}

// Bytes is what the row takes in a ring's data.
func (r Row) Bytes() uint64 { return HeaderBytes + r.Count*r.Stride }

// ReadHeader returns the row whose header stands at the cursor at, and false if none can: longest is the longest record that the ring takes.
func ReadHeader(seed uint32, at, header, longest uint64) (r Row, ok bool) {
	n, count := uint32(header), uint32(header>>32&(RowMax-1))+1
	r = Row{Length: uint64(n), Stride: padded(uint64(n)), Count: uint64(count)}
	ok = header == Header(seed, at, n, count) && r.Length <= longest && (count == 1 || n > 0 && r.Count*r.Stride <= longest)
	return r, ok
}

// Records are records of one length that lie in memory one behind the other.
type Records struct {
	Data             []byte
	N, Bytes, Stride int // how many they are, how long each is, and how far from the next
}

// At returns record i, counted from zero.
func (r *Records) At(i int) []byte {
	from := i * r.Stride
	return r.Data[from : from+r.Bytes : from+r.Bytes]
}

package flow

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Load is how much is sent, and how.
type Load struct {
	Bytes int           `json:"bytes"` // of a record, RecordMin at least
	Batch int           `json:"batch"` // records that the sender publishes at once
	Warm  time.Duration `json:"warm"`  // before measuring
	For   time.Duration `json:"for"`   // of the measurement
}

// RecordMin is the length of a number.
const RecordMin = 8

// EndBit marks the last record.
const EndBit = 1 << 63

// ErrWrong says that a record arrived that should not have: some way lost, repeated or damaged one.
var ErrWrong = errors.New("wrong record")

// Result is what a process measured. One of those that take part has it.
type Result struct {
	Items   uint64  `json:"items,omitempty"`   // read while the clock ran
	Seconds float64 `json:"seconds,omitempty"` // that it ran
	P50     float64 `json:"p50,omitempty"`     // nanoseconds, of round trips
	P99     float64 `json:"p99,omitempty"`
	CPU     float64 `json:"cpu,omitempty"` // seconds of processor time that were used while the clock ran
	Note    string  `json:"note,omitempty"`
}

// Write writes r as the one line that a process says at its end.
func (r Result) Write(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// checkEvery is how many records pass between two looks at the clock, which costs as much as some of them.
const checkEvery = 256

// Source numbers records.
type Source struct {
	load    Load
	payload []byte
	next    uint64
	began   time.Time
}

// NewSource returns a source; its time begins now.
func NewSource(l Load) *Source {
	s := &Source{load: l, payload: make([]byte, l.Bytes), began: time.Now()}
	for i := range s.payload {
		s.payload[i] = byte(i)
	}
	return s
}

// Fill makes b the next record.
func (s *Source) Fill(b []byte) {
	copy(b, s.payload)
	binary.LittleEndian.PutUint64(b, s.next)
	s.next++
}

// Next returns the number of the next record, which is how many there were.
func (s *Source) Next() uint64 { return s.next }

// FillEnd makes b the last record.
func (s *Source) FillEnd(b []byte) {
	copy(b, s.payload)
	binary.LittleEndian.PutUint64(b, s.next|EndBit)
}

// Over reports whether the time is up. It looks at the clock now and then.
func (s *Source) Over() bool {
	return s.next%checkEvery < uint64(s.load.Batch) && time.Since(s.began) >= s.load.Warm+s.load.For
}

// Sink checks records and measures. Its zero value is not ready: use NewSink.
type Sink struct {
	load  Load
	next  uint64
	began time.Time // with the first record
	from  uint64    // the record at which the clock was started
	start time.Time // zero: it has not been
}

// NewSink returns a sink.
func NewSink(l Load) *Sink { return &Sink{load: l} }

// Next returns how many records there were, without the last.
func (s *Sink) Next() uint64 { return s.next }

// See takes a record. Done says that it was the last one.
func (s *Sink) See(b []byte) (done bool, err error) {
	if number := binary.LittleEndian.Uint64(b); number != s.next || len(b) != s.load.Bytes {
		return s.odd(number, len(b))
	}
	if s.next%checkEvery == 0 && s.start.IsZero() {
		s.look()
	}
	s.next++
	return false, nil
}

func (s *Sink) odd(number uint64, n int) (done bool, err error) {
	if number == s.next|EndBit && n == s.load.Bytes {
		return true, nil
	}
	return false, fmt.Errorf("number %#x in %d bytes after %d records of %d: %w", number, n, s.next, s.load.Bytes, ErrWrong)
}

func (s *Sink) look() {
	now := time.Now()
	if s.began.IsZero() {
		s.began = now
	}
	if now.Sub(s.began) >= s.load.Warm {
		s.start, s.from = now, s.next
	}
}

// Result returns what was measured, at the last record.
func (s *Sink) Result() (Result, error) {
	if s.next == 0 {
		return Result{}, fmt.Errorf("only the last record arrived: %w", ErrWrong)
	}
	if s.start.IsZero() { // so busy is the machine: warming up counts
		s.start, s.from = s.began, 0
	}
	return Result{Items: s.next - s.from, Seconds: time.Since(s.start).Seconds()}, nil
}

// Trips measures round trips, each from when the one before ended.
type Trips struct {
	load  Load
	began time.Time
	last  time.Duration
	took  []time.Duration
}

// tripsMax is how many are kept, of the first.
const tripsMax = 4 << 20

// NewTrips returns an empty measurement; its time begins now.
func NewTrips(l Load) *Trips {
	return &Trips{load: l, began: time.Now(), took: make([]time.Duration, 0, tripsMax)}
}

// Done says that a round trip has ended, and returns whether the time is up.
func (t *Trips) Done() (over bool) {
	now := time.Since(t.began)
	if now >= t.load.Warm && len(t.took) < tripsMax {
		t.took = append(t.took, now-t.last)
	}
	t.last = now
	return len(t.took) > 0 && now >= t.load.Warm+t.load.For
}

// Result returns what was measured, once Done has said that the time is up.
func (t *Trips) Result() Result {
	slices.Sort(t.took)
	at := func(q float64) float64 { return float64(t.took[int(q*float64(len(t.took)))].Nanoseconds()) }
	return Result{Items: uint64(len(t.took)), Seconds: (t.last - t.load.Warm).Seconds(), P50: at(.5), P99: at(.99)}
}

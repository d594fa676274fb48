package accesslog

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The items' form on the edges. JSON would be shorter to write and wrong: it replaces invalid UTF-8.
//
// A number is a varint (signed ones zigzag), a text its length as a varint and then its bytes. A Line is its number and its
// text; a Request is its line, Unix time, zone offset and status as numbers, then remote, method, path, proto, bytes,
// referer and agent as texts; a Row is a Request, then client, status class, page and day as texts.

// ErrBadItem says that bytes from an edge are not an item of the type that is read there.
var ErrBadItem = errors.New("accesslog: malformed item")

// AppendBinary appends the form of l. It never fails.
func (l Line) AppendBinary(b []byte) ([]byte, error) {
	return appendText(binary.AppendUvarint(b, l.Number), string(l.Text)), nil
}

// UnmarshalBinary reads the form that fills b. The line does not share memory with b.
func (l *Line) UnmarshalBinary(b []byte) error {
	r := itemReader{rest: b}
	n := Line{Number: r.unsigned(), Text: []byte(r.text())}
	if err := r.end(); err != nil {
		return err
	}
	*l = n
	return nil
}

// AppendBinary appends the form of q. It never fails.
func (q Request) AppendBinary(b []byte) ([]byte, error) {
	_, offset := q.Time.Zone()
	b = binary.AppendUvarint(b, q.Line)
	b = binary.AppendVarint(b, q.Time.Unix())
	b = binary.AppendVarint(b, int64(offset))
	b = binary.AppendVarint(b, int64(q.Status))
	for _, s := range []string{q.Remote, q.Method, q.Path, q.Proto, q.Bytes, q.Referer, q.Agent} {
		b = appendText(b, s)
	}
	return b, nil
}

// UnmarshalBinary reads the form that fills b. The request does not share memory with b.
func (q *Request) UnmarshalBinary(b []byte) error {
	r := itemReader{rest: b}
	n := r.request()
	if err := r.end(); err != nil {
		return err
	}
	*q = n
	return nil
}

// AppendBinary appends the form of w. It never fails.
func (w Row) AppendBinary(b []byte) ([]byte, error) {
	b, err := w.Request.AppendBinary(b)
	for _, s := range []string{w.Client, w.StatusClass, w.Page, w.Day} {
		b = appendText(b, s)
	}
	return b, err
}

// UnmarshalBinary reads the form that fills b. The row does not share memory with b.
func (w *Row) UnmarshalBinary(b []byte) error {
	r := itemReader{rest: b}
	n := Row{Request: r.request(), Client: r.text(), StatusClass: r.text(), Page: r.text(), Day: r.text()}
	if err := r.end(); err != nil {
		return err
	}
	*w = n
	return nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// itemReader takes fields off the front of an item. After the first failure every method returns zero.
type itemReader struct {
	rest []byte
	bad  bool
}

func (r *itemReader) request() Request {
	line, sec, offset, status := r.unsigned(), r.signed(), r.signed(), r.signed()
	// Parse never makes others, and time.FixedZone and Time.Format go wrong far outside.
	if offset <= -1<<20 || offset >= 1<<20 || sec <= -1<<40 || sec >= 1<<40 || status < 0 || status > 999 {
		r.bad = true
	}
	if r.bad {
		return Request{}
	}
	return Request{
		Line: line, Time: inZone(sec, int(offset)), Status: int(status), Remote: r.text(), Method: r.text(), Path: r.text(),
		Proto: r.text(), Bytes: r.text(), Referer: r.text(), Agent: r.text(),
	}
}

func (r *itemReader) unsigned() uint64 {
	v, n := binary.Uvarint(r.rest)
	if !r.took(n) {
		return 0
	}
	return v
}

func (r *itemReader) signed() int64 {
	v, n := binary.Varint(r.rest)
	if !r.took(n) {
		return 0
	}
	return v
}

// took drops the n bytes of a varint; n is not positive if there was none.
func (r *itemReader) took(n int) bool {
	if n <= 0 {
		r.bad, r.rest = true, nil
		return false
	}
	r.rest = r.rest[n:]
	return true
}

func (r *itemReader) text() string {
	n := r.unsigned()
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

func (r *itemReader) end() error {
	if r.bad || len(r.rest) != 0 {
		return fmt.Errorf("%w: cut off, or %d bytes too many", ErrBadItem, len(r.rest))
	}
	return nil
}

package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// ErrMalformed says that a line is not in the combined format; the error's text says where it stops being so. It is
// terminal for the line: it goes to the dead letters.
var ErrMalformed = errors.New("not in the combined format")

// Request is a parsed line. Its texts are bytes of the line as they stand there: escapes are not resolved and invalid
// UTF-8 is kept.
type Request struct {
	Line    uint64 // 1-based
	Remote  string
	Time    time.Time // in the zone that the line names
	Method  string
	Path    string // with its query
	Proto   string
	Status  int    // 0 to 999
	Bytes   string // decimal digits, or "-"
	Referer string
	Agent   string
}

// timeLayout is the combined format's time. time.Parse is laxer than the format (fractions of a second, hours of one digit),
// so the length is checked too.
const timeLayout = "02/Jan/2006:15:04:05 -0700"

// Parse reads one line, without its line end, of the form
//
//	host ident user [02/Jan/2006:15:04:05 -0700] "request" status bytes "referer" "agent"
//
// with one space between the fields and nothing but white space after the last. The request has exactly three
// parts, again with one space between; in quoted fields a backslash takes the next byte's meaning away.
// Any error is ErrMalformed. The result shares no memory with text.
func Parse(line uint64, text []byte) (Request, error) {
	s := scanner{rest: text}
	remote := s.word("host", ' ')
	s.word("ident", ' ')
	s.word("user", ' ')
	when := s.time()
	method, path, proto := splitRequest(&s, s.quoted("request"))
	s.expect(' ', "request")
	status := s.digits("status", 3)
	size := s.size()
	referer := s.quoted("referer")
	s.expect(' ', "referer")
	agent := s.quoted("agent")
	if s.err == nil && len(bytes.Trim(s.rest, whiteSpace)) != 0 {
		s.fail("text after the agent")
	}
	if s.err != nil {
		return Request{}, s.err
	}
	return Request{
		Line: line, Remote: string(remote), Time: when, Method: string(method), Path: string(path), Proto: string(proto),
		Status: status, Bytes: string(size), Referer: string(referer), Agent: string(agent),
	}, nil
}

const whiteSpace = " \t\n\v\f\r"

// scanner takes fields off the front of a line. The first failure stands; after it every method returns nothing.
type scanner struct {
	rest []byte
	err  error
}

func (s *scanner) fail(what string) {
	if s.err == nil {
		s.err = fmt.Errorf("%w: %s", ErrMalformed, what)
	}
	s.rest = nil
}

// expect takes the byte c, which must follow the named field.
func (s *scanner) expect(c byte, after string) {
	if len(s.rest) == 0 || s.rest[0] != c {
		s.fail(fmt.Sprintf("no %q after the %s", c, after))
		return
	}
	s.rest = s.rest[1:]
}

// word takes one or more bytes that are no white space, and the end after them.
func (s *scanner) word(name string, end byte) []byte {
	n := bytes.IndexAny(s.rest, whiteSpace)
	if n < 0 {
		n = len(s.rest)
	}
	if n == 0 {
		s.fail("no " + name)
		return nil
	}
	w := s.rest[:n]
	s.rest = s.rest[n:]
	s.expect(end, name)
	return w
}

func (s *scanner) time() time.Time {
	if len(s.rest) < len(timeLayout)+3 || s.rest[0] != '[' || s.rest[len(timeLayout)+1] != ']' {
		s.fail("no [time]")
		return time.Time{}
	}
	t, err := time.Parse(timeLayout, string(s.rest[1:len(timeLayout)+1]))
	if err != nil {
		s.fail("impossible time")
		return time.Time{}
	}
	s.rest = s.rest[len(timeLayout)+2:]
	s.expect(' ', "time")
	_, offset := t.Zone()
	return inZone(t.Unix(), offset)
}

// inZone returns the second sec of Unix time as a clock offset seconds east of Greenwich shows it. time.Parse alone would
// give the local zone where that happens to have the same offset.
func inZone(sec int64, offset int) time.Time {
	if offset == 0 {
		return time.Unix(sec, 0).UTC()
	}
	return time.Unix(sec, 0).In(time.FixedZone("", offset))
}

// quoted takes a field in double quotes and returns what is between them.
func (s *scanner) quoted(name string) []byte {
	if len(s.rest) == 0 || s.rest[0] != '"' {
		s.fail(fmt.Sprintf("no \"%s\"", name))
		return nil
	}
	for i := 1; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '\\':
			i++
		case '"':
			q := s.rest[1:i]
			s.rest = s.rest[i+1:]
			return q
		}
	}
	s.fail(name + " is cut off")
	return nil
}

// digits takes exactly n digits and the space after them.
func (s *scanner) digits(name string, n int) int {
	w := s.word(name, ' ')
	if s.err != nil {
		return 0
	}
	if len(w) != n || !allDigits(w) {
		s.fail(fmt.Sprintf("%s is not %d digits", name, n))
		return 0
	}
	v := 0
	for _, c := range w {
		v = v*10 + int(c-'0')
	}
	return v
}

// size takes the response's size, digits or "-", and the space after it.
func (s *scanner) size() []byte {
	w := s.word("bytes", ' ')
	if s.err == nil && !allDigits(w) && string(w) != "-" {
		s.fail("bytes are neither digits nor '-'")
	}
	return w
}

func allDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// splitRequest splits a request line into its three parts. A part holds no white space: one that does would make a fourth.
func splitRequest(s *scanner, request []byte) (method, path, proto []byte) {
	parts := bytes.Split(request, []byte{' '})
	if s.err != nil {
		return nil, nil, nil
	}
	if len(parts) != 3 {
		s.fail(fmt.Sprintf("request of %d parts", len(parts)))
		return nil, nil, nil
	}
	for _, p := range parts {
		if len(p) == 0 || bytes.ContainsAny(p, whiteSpace) {
			s.fail("request with an empty or broken part")
			return nil, nil, nil
		}
	}
	return parts[0], parts[1], parts[2]
}

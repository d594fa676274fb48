package accesslog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// LineBytesMax is the longest line that the pipeline carries, in bytes without the line end.
const LineBytesMax = 256 << 10

// ErrLineTooLong says that the input has a line of more than LineBytesMax bytes. The input is refused: to cut the line would
// be to lose part of it.
var ErrLineTooLong = errors.New("line is too long")

// Line is one line of the input.
type Line struct {
	Number uint64 // 1-based
	Text   []byte // without the newline, and without a carriage return before that
}

// LineReader numbers the lines of an input. Every newline ends a line, blank or not, and what stands after the last one is
// a line if it is not empty. A LineReader belongs to one goroutine.
type LineReader struct {
	r *bufio.Reader
	n uint64
}

// NewLineReader returns a reader that begins at line 1.
func NewLineReader(r io.Reader) *LineReader {
	return &LineReader{r: bufio.NewReaderSize(r, LineBytesMax+2)}
}

// Next returns the next line, io.EOF after the last. Its text is valid until the next call.
func (l *LineReader) Next() (Line, error) {
	text, err := l.r.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF) && len(text) > 0:
		l.n++
	case errors.Is(err, bufio.ErrBufferFull):
		return Line{}, fmt.Errorf("line %d: %w: more than %d bytes", l.n+1, ErrLineTooLong, LineBytesMax)
	case err != nil:
		return Line{}, err
	default:
		l.n++
		text = bytes.TrimSuffix(text[:len(text)-1], []byte{'\r'})
	}
	if len(text) > LineBytesMax {
		return Line{}, fmt.Errorf("line %d: %w: %d bytes, at most %d", l.n, ErrLineTooLong, len(text), LineBytesMax)
	}
	return Line{Number: l.n, Text: text}, nil
}

// Skip moves past the lines up to and including number n. An input that ends before is not the one that was read then:
// io.ErrUnexpectedEOF.
func (l *LineReader) Skip(n uint64) error {
	for l.n < n {
		if _, err := l.Next(); errors.Is(err, io.EOF) {
			return fmt.Errorf("input has %d lines, %d were read before: %w", l.n, n, io.ErrUnexpectedEOF)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// CountLines returns how many lines r has.
func CountLines(r io.Reader) (uint64, error) {
	l := NewLineReader(r)
	for {
		if _, err := l.Next(); errors.Is(err, io.EOF) {
			return l.n, nil
		} else if err != nil {
			return 0, err
		}
	}
}

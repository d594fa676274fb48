package source

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
)

// LineBytesDefault is the longest line that Lines takes unless it says otherwise, in bytes without the newline. It fits
// an edge of the default capacity.
const LineBytesDefault = 128 << 10

var (
	// ErrLineTooLong says that the file has a line that is longer than allowed. The file is refused: to cut the line would be
	// to lose part of it.
	ErrLineTooLong = errors.New("source: line is too long")
	// ErrShort says that the file has fewer lines than were read from it before: it is not the same file.
	ErrShort = errors.New("source: file has fewer lines than before")
	// ErrBadLine says that bytes are not an encoded Line.
	ErrBadLine = errors.New("source: malformed line")
)

// Line is one line of a file.
type Line struct {
	Number uint64 // 1-based
	Text   []byte // without its newline
}

// AppendBinary appends the line's number, 8 bytes little-endian, and its text. It never fails.
func (l Line) AppendBinary(b []byte) ([]byte, error) {
	return append(binary.LittleEndian.AppendUint64(b, l.Number), l.Text...), nil
}

// UnmarshalBinary reads what AppendBinary wrote. The line does not share memory with b.
func (l *Line) UnmarshalBinary(b []byte) error {
	if len(b) < 8 {
		return fmt.Errorf("%d bytes: %w", len(b), ErrBadLine)
	}
	*l = Line{Number: binary.LittleEndian.Uint64(b), Text: bytes.Clone(b[8:])}
	return nil
}

// Lines is a stream.Source of the lines of the file at Path, which must not change but by growing. Every newline ends a
// line, blank or not; what stands after the last one is a line if it is not empty.
type Lines struct {
	Path     string
	BytesMax int // longest line; zero: LineBytesDefault
}

// Read implements stream.Source. A yielded line's text is valid until the next one.
func (l Lines) Read(ctx context.Context, from position.Vector) iter.Seq2[stream.Item[Line], error] {
	return func(yield func(stream.Item[Line], error) bool) {
		if done, _ := from.At(0); !done.IsEndOfLane() {
			if err := l.read(ctx, done.Offset, yield); err != nil {
				yield(stream.Item[Line]{}, fmt.Errorf("%s: %w", l.Path, err))
			}
		}
	}
}

func (l Lines) read(ctx context.Context, skip uint64, yield func(stream.Item[Line], error) bool) error {
	f, err := os.Open(l.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	most := l.BytesMax
	if most == 0 {
		most = LineBytesDefault
	}
	r := bufio.NewReaderSize(f, most+1)
	for n := uint64(1); ctx.Err() == nil; n++ {
		text, err := r.ReadSlice('\n')
		last := errors.Is(err, io.EOF)
		switch {
		case last && len(text) == 0:
			if n <= skip {
				return fmt.Errorf("%d lines, %d were read before: %w", n-1, skip, ErrShort)
			}
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("line %d: more than %d bytes: %w", n, most, ErrLineTooLong)
		case err != nil && !last:
			return err
		}
		text = bytes.TrimSuffix(text, []byte{'\n'})
		if len(text) > most {
			return fmt.Errorf("line %d: %d bytes, at most %d: %w", n, len(text), most, ErrLineTooLong)
		}
		if n <= skip {
			continue
		}
		if !yield(stream.Item[Line]{Pos: position.Position{Offset: n}, Value: Line{Number: n, Text: text}}, nil) {
			return nil
		}
	}
	return nil
}

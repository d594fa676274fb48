package event

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// lineBytesMax bounds one event on the pipe.
const lineBytesMax = 1 << 20

// Writer writes events as lines. It is safe for concurrent use.
type Writer struct {
	process string
	broken  func()

	mu sync.Mutex
	w  io.Writer
}

// NewWriter returns a writer for the named process. broken is called, once or more, when nobody reads any more.
func NewWriter(w io.Writer, process string, broken func()) *Writer {
	return &Writer{process: process, broken: broken, w: w}
}

// Write stamps e with the time, unless it has one, and with the process, and writes it.
func (w *Writer) Write(e Event) {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	e.Process = w.process
	line, err := json.Marshal(e)
	if err != nil {
		panic("event: " + err.Error()) // an Event has nothing that JSON cannot say
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.w.Write(append(line, '\n')); err != nil {
		w.broken()
	}
}

// Read calls each for every event of r, until r ends. A process that was killed in the middle of a line leaves half of
// it at the end: that is no error.
func Read(r io.Reader, each func(Event)) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, lineBytesMax)
	for in.Scan() {
		var e Event
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			if !in.Scan() {
				break
			}
			return fmt.Errorf("event: %w", err)
		}
		each(e)
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	return nil
}

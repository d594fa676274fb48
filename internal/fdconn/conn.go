package fdconn

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// FilesMax is the most descriptors that one frame may carry.
const FilesMax = 8

const headerBytes = 4

// ErrFrame says that what arrived is not a frame. The connection is of no use afterwards.
var ErrFrame = errors.New("fdconn: bad frame")

// Conn is one end of a socket that carries frames. Send may be called by many goroutines, Receive by one at a time; the two
// do not disturb each other.
type Conn struct {
	sock    *net.UnixConn
	max     int
	strict  bool
	timeout time.Duration

	sending sync.Mutex // a frame is written in one piece
}

// Config says how a Conn behaves.
type Config struct {
	FrameMax      int           // largest frame's JSON, bytes, both ways
	RefuseUnknown bool          // a received field that the target does not have is an error
	SendTimeout   time.Duration // a peer that takes no bytes for so long breaks the connection; zero: never
}

// New returns a Conn over sock, which it owns from now on.
func New(sock *net.UnixConn, c Config) *Conn {
	return &Conn{sock: sock, max: c.FrameMax, strict: c.RefuseUnknown, timeout: c.SendTimeout}
}

// Close closes the socket; Send and Receive under way fail. It may be called any number of times.
func (c *Conn) Close() error {
	if err := c.sock.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// SetReadDeadline bounds Receive; the zero time takes the bound away.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.sock.SetReadDeadline(t) }

// Send sends v as one frame, with files beside it. The files stay the caller's and may be closed afterwards. After an error
// other than a refusal to encode v, the connection is broken.
func (c *Conn) Send(v any, files ...*os.File) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("fdconn: encode: %w", err)
	}
	if len(body) > c.max {
		return fmt.Errorf("fdconn: frame of %d bytes, at most %d", len(body), c.max)
	}
	if len(files) > FilesMax {
		return fmt.Errorf("fdconn: %d descriptors, at most %d", len(files), FilesMax)
	}
	frame := append(binary.LittleEndian.AppendUint32(nil, uint32(len(body))), body...)
	c.sending.Lock()
	defer c.sending.Unlock()
	if c.timeout > 0 {
		if err := c.sock.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
			return err
		}
	}
	if len(files) > 0 {
		n, err := sendFiles(c.sock, frame, files)
		if err != nil {
			return err
		}
		frame = frame[n:] // the descriptors went with the first byte
	}
	if len(frame) == 0 { // a peer that has it all may be gone by now, which even a write of nothing would report
		return nil
	}
	_, err = c.sock.Write(frame)
	return err
}

// Receive reads the next frame into v and returns its descriptors, which are the caller's to close. It returns io.EOF when
// the peer has closed the connection between two frames. On error no descriptor stays open.
func (c *Conn) Receive(v any) ([]*os.File, error) {
	var header [headerBytes]byte
	files, err := c.readFull(header[:], true)
	if err != nil {
		return nil, err
	}
	if err := c.receiveBody(header, v); err != nil {
		CloseFiles(files)
		return nil, err
	}
	return files, nil
}

func (c *Conn) receiveBody(header [headerBytes]byte, v any) error {
	n := binary.LittleEndian.Uint32(header[:])
	if n == 0 || int64(n) > int64(c.max) {
		return fmt.Errorf("%d bytes, must be 1 to %d: %w", n, c.max, ErrFrame)
	}
	body := make([]byte, n)
	if _, err := c.readFull(body, false); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return decode(body, v, c.strict)
}

// decode reads one JSON value that fills body.
func decode(body []byte, v any, strict bool) error {
	d := json.NewDecoder(bytes.NewReader(body))
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrFrame, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("more than one value: %w", ErrFrame)
	}
	return nil
}

// readFull fills b and collects the descriptors beside its first byte, if there may be any. Never more than b is read, so
// the next frame's descriptors cannot come with this one's bytes.
func (c *Conn) readFull(b []byte, filesAllowed bool) (files []*os.File, err error) {
	for read := 0; read < len(b); {
		n, got, err := receiveSome(c.sock, b[read:])
		files = append(files, got...)
		switch {
		case err == nil && len(got) > 0 && (read > 0 || !filesAllowed):
			err = fmt.Errorf("descriptors inside a frame: %w", ErrFrame)
		case errors.Is(err, io.EOF) && read > 0:
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			CloseFiles(files)
			return nil, err
		}
		read += n
	}
	return files, nil
}

// CloseFiles closes files.
func CloseFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"reflect"
	"sync"

	"github.com/hashicorp/go-msgpack/v2/codec"

	"github.com/grafnode/grafnode/api"
)

// A frame is how a command stands in the log and how each part of a state stands in a snapshot, little-endian:
//
//	offset  bytes  what
//	0       1      version of the encoding
//	1       1      kind
//	2       4      length of the payload, bytes
//	6       4      CRC32C of the six bytes before and the payload
//	10      -      payload
//
// The payload of a command is the proposer's wall clock (8 bytes, ns) and the command; of a snapshot's frame, the value.
// Both in msgpack, as a map by field name; see canonical.
const (
	encodingVersion = 1
	frameHead       = 1 + 1 + 4 + 4
	payloadMax      = 1 << 20
)

// CommandBytesMax bounds an encoded command.
const CommandBytesMax = frameHead + payloadMax

// ErrNewer says that bytes were written by a newer version of grafnode.
var ErrNewer = errors.New("written by a newer version of grafnode: upgrade this node")

// msgpack is the encoding of payloads. A field that this version does not know is an error, not something to skip: skipping it
// would make another state than the peers have.
var msgpack = func() *codec.MsgpackHandle {
	h := &codec.MsgpackHandle{WriteExt: true}
	h.Canonical = true
	h.ErrorIfNoField = true
	h.RawToString = true
	return h
}()

// encoders and decoders are kept: making one costs as much as using it.
var (
	encoders = sync.Pool{New: func() any { return codec.NewEncoderBytes(nil, msgpack) }}
	decoders = sync.Pool{New: func() any { return codec.NewDecoderBytes(nil, msgpack) }}
)

// appendValue appends the encoding of v to b.
func appendValue(b []byte, v any) ([]byte, error) {
	if f, ok := v.(fielded); ok {
		return write(b, f), nil
	}
	value, err := encodeReflected(v)
	return append(b, value...), err
}

func encodeReflected(v any) (b []byte, err error) {
	e := encoders.Get().(*codec.Encoder)
	defer encoders.Put(e)
	e.ResetBytes(&b)
	err = e.Encode(v)
	return b, err
}

// decodeValue reads the value that fills b into what v points at, which is zero. Words that are in names are shared.
func decodeValue(b []byte, v any, names map[string]string) error {
	if f, ok := v.(fielded); ok {
		if read(b, f, names) {
			return nil
		}
		reflect.ValueOf(v).Elem().SetZero()
	}
	return decodeReflected(b, v)
}

func decodeReflected(b []byte, v any) error {
	d := decoders.Get().(*codec.Decoder)
	defer decoders.Put(d)
	d.ResetBytes(b)
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%T: %w: %w", v, api.ErrCorrupt, err)
	}
	if n := d.NumBytesRead(); n != len(b) {
		return fmt.Errorf("%T: %d bytes too many: %w", v, len(b)-n, api.ErrCorrupt)
	}
	return nil
}

func appendFrame(b []byte, k kind, payload []byte) ([]byte, error) {
	if len(payload) > payloadMax {
		return nil, fmt.Errorf("%d bytes, at most %d: %w", len(payload), payloadMax, api.ErrTooLarge)
	}
	start := len(b)
	b = append(b, encodingVersion, byte(k))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	sum := crc32.Update(crc32.Checksum(b[start:], castagnoli), castagnoli, payload)
	b = binary.LittleEndian.AppendUint32(b, sum)
	return append(b, payload...), nil
}

// readFrame reads one frame. io.EOF means that r ended where a frame may end.
func readFrame(r io.Reader) (kind, []byte, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err == io.EOF {
		return 0, nil, io.EOF
	} else if err != nil {
		return 0, nil, fmt.Errorf("frame is cut off: %w: %w", api.ErrCorrupt, err)
	}
	if head[0] != encodingVersion {
		return 0, nil, fmt.Errorf("frame of version %d, this node knows %d: %w", head[0], encodingVersion, ErrNewer)
	}
	n := binary.LittleEndian.Uint32(head[2:])
	if n > payloadMax {
		return 0, nil, fmt.Errorf("frame of %d bytes, at most %d: %w", n, payloadMax, api.ErrCorrupt)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, fmt.Errorf("frame is cut off: %w: %w", api.ErrCorrupt, err)
	}
	stored := binary.LittleEndian.Uint32(head[6:])
	if sum := crc32.Update(crc32.Checksum(head[:6], castagnoli), castagnoli, payload); sum != stored {
		return 0, nil, fmt.Errorf("frame has checksum %08x, computed %08x: %w", stored, sum, api.ErrCorrupt)
	}
	return kind(head[1]), payload, nil
}

package tcp

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/bits"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Hello is what a remote side says of itself: which side of which ring it wants, and by what right.
type Hello struct {
	Edge       string          `json:"edge"`
	Generation fence.Epoch     `json:"generation"`
	Arena      locator.ArenaID `json:"arena"`
	Role       fabric.Role     `json:"role"`
	Session    lease.SessionID `json:"session"`
	Token      string          `json:"token"`
	Revision   api.Revision    `json:"revision"` // of the record that says so; the owner waits until it knows as much
	// Heartbeat is how long either end may be silent before it shows life; the other end is given up when so many are Missed. Zero: the
	// defaults.
	Heartbeat time.Duration `json:"heartbeat_ns"`
	Missed    int           `json:"missed,omitempty"`
	// Pulse is set by the function that takes the Hello: links of one session that have the same one show life for each other.
	Pulse string `json:"pulse,omitempty"`
	// Offer is set likewise: that of a way past the connection, see Direct.
	Offer string `json:"direct,omitempty"`
}

// Limits of Hello.Heartbeat. Zero means the default.
const (
	HeartbeatMin     = 10 * time.Millisecond
	HeartbeatDefault = 50 * time.Millisecond
	HeartbeatMax     = time.Minute
)

// Limits of Hello.Missed.
const (
	MissedDefault = 3
	MissedMax     = 100
)

func (h Hello) missed() int { return cmp.Or(h.Missed, MissedDefault) }

// patienceSilences is for how many silences a peer is borne that shows life but takes nothing, or does not confirm a closing.
const patienceSilences = 10

// pulseMax is the length of a Hello's Pulse, bytes.
const pulseMax = 512

// attachSilence is how long an owner may be silent while a side attaches: twice as long as afterwards, because there is more to do, and at
// least a second, which a lost packet may take to come again.
func (h Hello) attachSilence() time.Duration {
	return max(2*time.Duration(h.missed())*h.Heartbeat, time.Second)
}

// Validate reports what is wrong with h.
func (h Hello) Validate() error {
	switch {
	case api.CheckEdgeName(h.Edge) != nil:
		return fmt.Errorf("hello: edge: %w", api.CheckEdgeName(h.Edge))
	case h.Generation.IsZero() || h.Arena == "":
		return fmt.Errorf("hello: edge %s: arena %q of generation %d: want both", h.Edge, h.Arena, h.Generation)
	case h.Role != fabric.RoleProducer && h.Role != fabric.RoleConsumer:
		return fmt.Errorf("hello: edge %s: unknown role %q", h.Edge, h.Role)
	case h.Heartbeat < HeartbeatMin || h.Heartbeat > HeartbeatMax:
		return fmt.Errorf("hello: edge %s: heartbeat %v, must be %v to %v", h.Edge, h.Heartbeat, HeartbeatMin, HeartbeatMax)
	case h.Missed < 0 || h.Missed > MissedMax:
		return fmt.Errorf("hello: edge %s: %d heartbeats missed, must be 1 to %d, or 0 for %d", h.Edge, h.Missed, MissedMax, MissedDefault)
	case len(h.Pulse) > pulseMax:
		return fmt.Errorf("hello: edge %s: pulse of %d bytes, must be at most %d", h.Edge, len(h.Pulse), pulseMax)
	case len(h.Offer) > directMax:
		return fmt.Errorf("hello: edge %s: offer of %d bytes, must be at most %d", h.Edge, len(h.Offer), directMax)
	}
	return nil
}

// side names a side in errors.
func (h Hello) side() string {
	return fmt.Sprintf("%s of edge %s, generation %d", h.Role, h.Edge, h.Generation)
}

// answer is the owner's word on a Hello: a capacity, or why not.
type answer struct {
	Capacity int        `json:"capacity,omitempty"`
	Process  string     `json:"process,omitempty"` // the owner's, for as long as it runs
	Error    *api.Error `json:"error,omitempty"`
	// Accepted answers an offer; NotDirect says why it could not be accepted, for people. Neither: it is declined.
	Accepted  string `json:"direct,omitempty"`
	NotDirect string `json:"not_direct,omitempty"`
}

// The messages of the handshake are a 4-byte little-endian length and JSON of that length. An owner that needs time for its answer
// sends empty ones before it, so that it is not taken for dead.
const (
	helloMax  = 4<<10 + 6*directMax
	answerMax = refusalMax + 6*directMax + 64
)

func writeMessage(w io.Writer, message any) error {
	body, err := json.Marshal(message)
	if err != nil {
		return err
	}
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	_, err = w.Write(append(b, body...))
	return err
}

func readMessage(r io.Reader, sizeMax int) ([]byte, error) {
	var prefix [4]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(prefix[:])
	if n > uint32(sizeMax) {
		return nil, fmt.Errorf("message of %d bytes, at most %d: %w", n, sizeMax, fabric.ErrCorrupt)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(r, body)
	return body, err
}

// readHello refuses fields it does not know, so that a newer side is told, not half understood.
func readHello(r io.Reader) (Hello, error) {
	body, err := readMessage(r, helloMax)
	if err != nil {
		return Hello{}, fmt.Errorf("hello: %w", err)
	}
	var h Hello
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&h); err != nil {
		return Hello{}, fmt.Errorf("hello: %w", err)
	}
	if err := h.Validate(); err != nil {
		return Hello{}, err
	}
	return h, nil
}

// readAnswer returns an answer with a capacity. It calls alive when the owner says that it is still at it. An error for which fabric.Lost
// reports false is the connection's, not the owner's word.
func readAnswer(r io.Reader, alive func()) (a answer, err error) {
	var body []byte
	for len(body) == 0 {
		if body, err = readMessage(r, answerMax); err != nil {
			return answer{}, fmt.Errorf("answer: %w", err)
		}
		alive()
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return answer{}, fmt.Errorf("answer: %w: %w", err, fabric.ErrCorrupt)
	}
	if a.Error != nil {
		return answer{}, lossOf(a.Error)
	}
	if a.Capacity < fabric.CapacityMin || a.Capacity > fabric.CapacityMax || bits.OnesCount(uint(a.Capacity)) != 1 {
		return answer{}, fmt.Errorf("answer: capacity %d: %w", a.Capacity, fabric.ErrCorrupt)
	}
	return a, nil
}

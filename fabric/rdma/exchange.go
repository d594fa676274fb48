package rdma

import (
	"encoding/json"
	"fmt"

	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// version of what follows, of the immediates and of the words.
const version = 2

// offer is what a remote producer says first.
type offer struct {
	Version int           `json:"v"`
	Pair    verbs.Address `json:"pair"`
}

// answer is the owner's.
type answer struct {
	Pair  verbs.Address `json:"pair"`
	Ring  verbs.Remote  `json:"ring"`  // the ring's data, once
	Words verbs.Remote  `json:"words"` // producerWords
}

// ready is the remote producer's last word.
const ready = "ready"

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("fabric/rdma: " + err.Error()) // numbers and names
	}
	return string(b)
}

func decode(text string, v any) error {
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return fmt.Errorf("rdma: the other end's word: %w", err)
	}
	return nil
}

func (o offer) validate() error {
	if o.Version != version {
		return fmt.Errorf("rdma: the other end speaks version %d, this one %d", o.Version, version)
	}
	return nil
}

// holds reports whether r can be a region of at least so many bytes.
func holds(r verbs.Remote, bytes int) error {
	if r.Bytes < uint64(bytes) || r.At+r.Bytes < r.At {
		return fmt.Errorf("rdma: the other end's region of %d bytes at %#x: want %d", r.Bytes, r.At, bytes)
	}
	return nil
}

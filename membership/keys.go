package membership

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/memberlist"
)

// KeyBytes is how long a key is: AES-256.
const KeyBytes = 32

// ErrPlain says that gossip was opened without keys, and cannot get any.
var ErrPlain = errors.New("membership: gossip is not encrypted")

func checkKeys(keys [][]byte) error {
	for i, key := range keys {
		if len(key) != KeyBytes {
			return fmt.Errorf("membership: gossip key %d of %d has %d bytes, must have %d", i+1, len(keys), len(key), KeyBytes)
		}
	}
	return nil
}

func newKeyring(keys [][]byte) (*memberlist.Keyring, error) {
	if len(keys) == 0 {
		return nil, nil //nolint:nilnil // as memberlist has it: no keyring, no encryption
	}
	return memberlist.NewKeyring(keys, keys[0])
}

// Rekey replaces the keys, of which there must be some, as there must have been. A change of key that nobody notices is made in three
// steps, each on all nodes before the next: the new key is added behind the old one, put in front of it, and the old one taken out.
// Safe for concurrent use with all else, and with itself called by one at a time.
func (g *Gossip) Rekey(keys [][]byte) error {
	if err := checkKeys(keys); err != nil {
		return err
	}
	if g.keyring == nil || len(keys) == 0 {
		return ErrPlain
	}
	for _, key := range keys {
		if err := g.keyring.AddKey(key); err != nil {
			return fmt.Errorf("membership: %w", err)
		}
	}
	// The wanted keys to the front, the first of them at last. RemoveKey moves what is behind a key within the slice that those who
	// decrypt walk through without a lock, so nothing may be behind it.
	for _, key := range slices.Backward(keys) {
		if err := g.keyring.UseKey(key); err != nil {
			return fmt.Errorf("membership: %w", err)
		}
	}
	for _, old := range slices.Backward(slices.Clone(g.keyring.GetKeys())) {
		if slices.ContainsFunc(keys, func(key []byte) bool { return bytes.Equal(key, old) }) {
			break
		}
		if err := g.keyring.RemoveKey(old); err != nil {
			return fmt.Errorf("membership: %w", err)
		}
	}
	return nil
}

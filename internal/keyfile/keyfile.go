// Package keyfile reads the file of keys that a cluster's gossip is encrypted with: one key in base64 on each line, the one that encrypts first. Empty
// lines and those that begin with # are passed over.
//
// The node reads it, and "grafnode tls gossip-key" makes a line of it. What is wrong is told by the line's number and never shows the line.
package keyfile

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Bytes is how long a key is: AES-256.
const Bytes = 32

// ErrNoKey says that a file has no key.
var ErrNoKey = errors.New("has no key: one in base64 on each line, as grafnode tls gossip-key makes them")

// New returns the line of a new key, without its end.
func New() string {
	var key [Bytes]byte
	_, _ = rand.Read(key[:]) // never fails
	return base64.StdEncoding.EncodeToString(key[:])
}

// Read returns the keys of a file, at least one.
func Read(path string) ([][]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var keys [][]byte
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(key) != Bytes {
			return nil, fmt.Errorf("%s:%d: must be %d bytes in base64", path, number, Bytes)
		}
		keys = append(keys, key)
	}
	if keys == nil {
		return nil, fmt.Errorf("%s: %w", path, ErrNoKey)
	}
	return keys, nil
}

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"

	"github.com/hashicorp/go-sockaddr/template"

	"github.com/grafnode/grafnode/node"
)

// memory is a flag for a number of bytes.
type memory uint64

// Set reads one such as 512MiB.
func (s *memory) Set(text string) error {
	n, ok := parseSize(text)
	if !ok {
		return errSize
	}
	*s = memory(n)
	return nil
}

// String writes it with the largest unit that divides it.
func (s *memory) String() string {
	for _, unit := range sizeUnits {
		if *s > 0 && uint64(*s)%unit.bytes == 0 && strings.HasSuffix(unit.suffix, "iB") && uint64(*s)/unit.bytes < 1024 {
			return strconv.FormatUint(uint64(*s)/unit.bytes, 10) + unit.suffix
		}
	}
	return strconv.FormatUint(uint64(*s), 10)
}

// Type is what the help calls it.
func (s *memory) Type() string { return "size" }

var sizeUnits = []struct {
	suffix string
	bytes  uint64
}{ // longer suffixes before those that they end in
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}, {"B", 1}, {"", 1},
}

var errSize = errors.New("must be a positive whole number of bytes, or one with KiB, MiB, GiB or TiB")

// parseSize reads a number of bytes such as 512MiB.
func parseSize(s string) (n uint64, ok bool) {
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(s, unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 64)
		if err != nil || n == 0 || n > math.MaxInt64/unit.bytes {
			break
		}
		return n * unit.bytes, true
	}
	return 0, false
}

// endpoint is a flag for a collector's address. What it takes has no password in it; what the node would refuse may.
type endpoint string

// Set takes whatever there is: an error of its own would be shown beside the value.
func (e *endpoint) Set(text string) error {
	*e = endpoint(text)
	return nil
}

// String returns it as it is, for comparison.
func (e *endpoint) String() string { return string(*e) }

// Shown returns what anybody may see of it.
func (e *endpoint) Shown() string {
	if *e != "" && node.CheckEndpoint(string(*e)) != nil {
		return "hidden: no address that can be used, and there may be a password in it"
	}
	return string(*e)
}

// Type is what the help calls it.
func (e *endpoint) Type() string { return "string" }

var errLevel = errors.New("must be debug, info, warn or error")

// level is a flag for the least level to log.
type level slog.Level

// Set reads one. It takes the four names only, and not what slog adds to them, so that the help says all.
func (l *level) Set(text string) error {
	for _, known := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(text, known.String()) {
			*l = level(known)
			return nil
		}
	}
	return errLevel
}

// String writes it as the help does.
func (l *level) String() string { return strings.ToLower(slog.Level(*l).String()) }

// Type is what the help calls it.
func (l *level) Type() string { return "level" }

// address replaces a template by the address that it finds on this host.
func address(s string) (string, error) {
	if !strings.Contains(s, "{{") {
		return s, nil
	}
	found, err := template.Parse(s)
	switch {
	case err != nil:
		return "", fmt.Errorf("%q: %w", s, err)
	case found == "":
		return "", fmt.Errorf("%q: finds no address on this host", s)
	case strings.Contains(found, " "):
		return "", fmt.Errorf("%q: finds several addresses on this host, %s: choose one, say with {{ GetInterfaceIP \"eth0\" }}", s, found)
	}
	return found, nil
}

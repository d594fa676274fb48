package server

import (
	"bytes"
	"encoding/json"
)

// membersMax is up to how many members of an object are compared one with the other.
const membersMax = 32

// plain reports whether body is one JSON value in which checkJSON would surely find nothing: not nested too deep, and no object
// with a name that it has already or that needs a second look, such as one with an escape. Requests that our own clients write are,
// and reading them token by token costs as much as all else that a change does on its way through the server.
func plain(body []byte) bool {
	if !json.Valid(body) {
		return false
	}
	var starts [depthMax + 1]int // of each open object's names, by depth; -1: an array
	var names [][]byte
	depth, wantName := 0, false
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			if depth++; depth > depthMax {
				return false
			}
			starts[depth] = len(names)
			if wantName = body[i] == '{'; !wantName {
				starts[depth] = -1
			}
		case '}', ']':
			if body[i] == '}' {
				names = names[:starts[depth]]
			}
			depth--
		case ',':
			wantName = depth > 0 && starts[depth] >= 0
		case '"':
			end, simple := text(body[i+1:])
			name := body[i+1:][:end]
			i += end + 1
			if !wantName {
				continue
			}
			wantName = false
			had := names[starts[depth]:]
			if !simple || len(had) == membersMax || hasFolded(had, name) {
				return false
			}
			names = append(names, name)
		}
	}
	return true
}

// text returns how long a string is whose opening quote has been read, and whether it means what it looks like.
func text(b []byte) (n int, simple bool) {
	simple = true
	for b[n] != '"' { // the JSON is valid: it ends
		switch {
		case b[n] == '\\':
			simple = false
			n++
		case b[n] >= 0x80:
			simple = false
		}
		n++
	}
	return n, simple
}

func hasFolded(names [][]byte, name []byte) bool {
	for _, n := range names {
		if bytes.EqualFold(n, name) {
			return true
		}
	}
	return false
}

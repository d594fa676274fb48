package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/grafnode/grafnode/api"
)

// depthMax is how deep a request's JSON may be nested; none needs more than four levels.
const depthMax = 16

// checkJSON refuses what encoding/json would let pass although two readers may understand it differently: a name that is given
// twice in one object (also in another case, which the decoder takes for the same), text that is not UTF-8, a second value.
func checkJSON(body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return errors.New("is empty, must be JSON")
	}
	if !utf8.Valid(body) {
		return errors.New("is not UTF-8")
	}
	if plain(body) {
		return nil
	}
	return checkTokens(body)
}

// checkTokens says what is wrong with body, or that nothing is.
func checkTokens(body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := checkValue(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

func checkValue(d *json.Decoder, depth int) error {
	token, err := nextToken(d)
	delim, nested := token.(json.Delim)
	switch {
	case err != nil || !nested:
		return err
	case depth == depthMax:
		return fmt.Errorf("is nested more than %d deep", depthMax)
	case delim == '{':
		err = checkMembers(d, depth)
	default:
		for err == nil && d.More() {
			err = checkValue(d, depth+1)
		}
	}
	if err == nil {
		_, err = nextToken(d) // the closing bracket
	}
	return err
}

// nextToken reads a token that must be there.
func nextToken(d *json.Decoder) (json.Token, error) {
	token, err := d.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return token, err
}

func checkMembers(d *json.Decoder, depth int) error {
	seen := map[string]bool{}
	for d.More() {
		token, err := nextToken(d)
		if err != nil {
			return err
		}
		name, _ := token.(string) // in an object it is
		folded := strings.ToLower(name)
		if seen[folded] {
			return fmt.Errorf("has %q twice in one object", name)
		}
		seen[folded] = true
		if err := checkValue(d, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// checkID refuses what cannot be an ID in a path, before it is looked for or gets into the log.
func checkID(what, id string) error {
	const most = 128
	if id == "" || len(id) > most {
		return api.Errorf(api.KindInvalid, "%s of %d bytes, must be 1 to %d", what, len(id), most)
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' {
			return api.Errorf(api.KindInvalid, "%s %q has a character that is not printable ASCII", what, id)
		}
	}
	return nil
}

// checkKey is checkID for names that people choose: any text without control characters.
func checkKey(what, key string) error {
	const most = 256
	switch {
	case key == "" || len(key) > most:
		return api.Errorf(api.KindInvalid, "%s of %d bytes, must be 1 to %d", what, len(key), most)
	case !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl):
		return api.Errorf(api.KindInvalid, "%s %q is no text", what, key)
	}
	return nil
}

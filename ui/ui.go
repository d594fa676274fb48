// Package ui is the page at /ui/ that every node shows to browsers: HTML, CSS and scripts as they are written, without a build step and
// without anything from elsewhere. It shows what the API says and has no rights of its own: what may be seen and done is decided where it
// is asked for (docs/security.md).
//
// Policy is what a browser must hold the page to. It promises that no script and no style runs that is not a file of this package, that
// no other site frames the page, and that it talks to the node it came from and to nobody else.
//
// api/server serves it. docs/ui.md says what it shows.
package ui

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"path"
	"strings"
	"sync"
)

// Policy is the page's Content-Security-Policy. Trusted Types are wanted and none is defined: markup is never made from text.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// File is a file of the page. It must not be changed.
type File struct {
	Type string // its media type
	Tag  string // an entity tag, which is another for other bytes
	Body []byte
}

//go:embed files
var embedded embed.FS

// types are what there may be; a file of another type is a mistake of whoever added it.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

var files = sync.OnceValue(func() map[string]File {
	all := map[string]File{}
	entries, err := embedded.ReadDir("files")
	if err != nil {
		panic(err) // the embedding is the compiler's
	}
	for _, e := range entries {
		body, err := embedded.ReadFile("files/" + e.Name())
		if err != nil || types[path.Ext(e.Name())] == "" {
			panic("ui: " + e.Name() + " cannot be served")
		}
		sum := sha256.Sum256(body)
		all[e.Name()] = File{Type: types[path.Ext(e.Name())], Tag: `"` + hex.EncodeToString(sum[:12]) + `"`, Body: body}
	}
	return all
})

// Find returns the file of that name, or the page itself for the empty name.
func Find(name string) (File, bool) {
	if name == "" {
		name = "index.html"
	}
	f, ok := files()[strings.TrimPrefix(name, "/")]
	return f, ok
}

package server

import (
	"net/http"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/ui"
)

// page serves the files of package ui. They are open: what they show, they ask for as whoever looks at them.
func page(w http.ResponseWriter, r *http.Request) error {
	f, ok := ui.Find(r.PathValue("file"))
	if !ok {
		return api.Errorf(api.KindNotFound, "the page has no file %q", r.PathValue("file"))
	}
	h := w.Header()
	h.Set("Content-Security-Policy", ui.Policy)
	h.Set("X-Frame-Options", "DENY") // to browsers that do not know frame-ancestors
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache") // to be asked whether it has changed: the next node may be of another version
	h.Set("ETag", f.Tag)
	if r.Header.Get("If-None-Match") == f.Tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", f.Type)
	_, _ = w.Write(f.Body)
	return nil
}

// front leads a person who has typed the node's address to the page.
func front(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, "/ui/", http.StatusSeeOther)
	return nil
}

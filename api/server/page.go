package server

import (
	_ "embed"
	"net/http"
)

//go:embed page.html
var pageHTML []byte

// page shows the cluster to a browser: one file, nothing from elsewhere, fed by the API.
func page(w http.ResponseWriter, _ *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(pageHTML)
	return nil
}

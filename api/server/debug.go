package server

import (
	"bytes"
	"net/http"
	"runtime/pprof"
	"time"

	"github.com/grafnode/grafnode/api"
)

// profileMax bounds a profile of the processor's time.
const profileMax = 30 * time.Second

// debug shows an operator the inside of this node: what it runs on, what it said lately, what it was told.
func (s *Server) debug(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	lasts := time.Duration(q.number("seconds", false)) * time.Second
	if err := q.check(); err != nil {
		return err
	}
	what := r.PathValue("what")
	if lasts != 0 && what != "cpu" || lasts > profileMax {
		return api.Errorf(api.KindInvalid, "query parameter %q: at most %v, of cpu only", "seconds", profileMax)
	}
	text, err := s.inside(r, what, lasts)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(text) // who asked has gone, if it fails
	return nil
}

func (s *Server) inside(r *http.Request, what string, lasts time.Duration) ([]byte, error) {
	var out bytes.Buffer
	switch what {
	case "logs":
		return call(s.c.Logs), nil
	case "settings":
		return call(s.c.Settings), nil
	case "cpu":
		if err := pprof.StartCPUProfile(&out); err != nil {
			return nil, api.Errorf(api.KindOverloaded, "a profile is being taken already")
		}
		defer pprof.StopCPUProfile()
		select {
		case <-time.After(lasts):
		case <-r.Context().Done():
		}
		pprof.StopCPUProfile() // completes it; a second time does nothing
		return out.Bytes(), nil
	case "goroutines":
		err := pprof.Lookup("goroutine").WriteTo(&out, 2) // as a crash would show them
		return out.Bytes(), err
	}
	profile := pprof.Lookup(what)
	if profile == nil {
		return nil, api.Errorf(api.KindNotFound, "no %q: there are logs, settings, cpu, goroutines, and the profiles of package runtime/pprof such as heap", what)
	}
	err := profile.WriteTo(&out, 0)
	return out.Bytes(), err
}

// call returns what f does; nothing without f.
func call(f func() []byte) []byte {
	if f == nil {
		return nil
	}
	return f()
}

package node

import (
	"log/slog"
	"slices"
)

// saying logs what is looked at again and again only when it changes. One goroutine uses it.
type saying struct {
	log  *slog.Logger
	last map[string][]string // by message: the reasons that were given
}

func (s *saying) once(message string, because []string) {
	if slices.Equal(s.last[message], because) {
		return
	}
	if s.last == nil {
		s.last = map[string][]string{}
	}
	s.last[message] = slices.Clone(because)
	for _, reason := range because {
		s.log.Info(message, "because", reason)
	}
}

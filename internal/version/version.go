// Package version says which build this is: the release that the source is of, and what the Go tool noted about the build.
// The command line prints it, and nodes tell it each other.
package version

import (
	"fmt"
	"runtime/debug"
	"strings"
)

// Release is the release that this source is, or is on the way to.
const Release = "0.3.0"

// Info describes a build.
type Info struct {
	Release  string `json:"release"`
	Module   string `json:"module,omitempty"`   // module version, if built from a module proxy
	Revision string `json:"revision,omitempty"` // of the source
	Time     string `json:"time,omitempty"`     // of that revision
	Modified bool   `json:"modified,omitempty"` // built from a tree with changes of its own
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Read returns what is known of this build.
func Read() Info {
	info := Info{Release: Release}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	info.Go = build.GoVersion
	if build.Main.Version != "(devel)" {
		info.Module = build.Main.Version
	}
	settings := map[string]string{}
	for _, s := range build.Settings {
		settings[s.Key] = s.Value
	}
	info.Revision, info.Time = settings["vcs.revision"], settings["vcs.time"]
	info.Modified = settings["vcs.modified"] == "true"
	info.Platform = settings["GOOS"] + "/" + settings["GOARCH"]
	return info
}

// String returns i in one line.
func (i Info) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "grafnode %s", i.Release)
	if i.Module != "" {
		fmt.Fprintf(&b, " module %s", i.Module)
	}
	if i.Revision != "" {
		fmt.Fprintf(&b, " (%.12s", i.Revision)
		if i.Modified {
			b.WriteString(", modified")
		}
		b.WriteByte(')')
	}
	fmt.Fprintf(&b, " %s %s", i.Go, i.Platform)
	return b.String()
}
